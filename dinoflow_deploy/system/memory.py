"""Memory that is left to this process."""

from pathlib import Path


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that this process can still take: without swapping, and within the limit of its container.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    available = _numbers(root / "proc/meminfo")["MemAvailable:"] * 1024
    groups = root / "sys/fs/cgroup"
    for folder, limit, used, cached in (
        (groups, "memory.max", "memory.current", "file"),
        (groups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"),
    ):
        try:
            most = (folder / limit).read_text().strip()
            taken = int((folder / used).read_text()) - _numbers(folder / "memory.stat")[cached]
        except FileNotFoundError:
            continue
        if most != "max":
            available = min(available, max(int(most) - taken, 0))
    return available


def _numbers(file: Path) -> dict[str, int]:
    """The first two words of each line, name and number."""
    return {words[0]: int(words[1]) for words in map(str.split, file.read_text().splitlines()) if words[1:]}
