"""How numbers, tensors and counts are written."""

from collections.abc import Iterable, Iterator

from dinoflow_deploy.inspection.report import Counts, TensorDetails, WeightsDetails


def size(count: int) -> str:
    """A number of bytes, in the unit that suits it."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} bytes"


def digest(sha256: str) -> str:
    """The beginning of a SHA-256, which is enough to tell files apart."""
    return sha256[:12]


def tensor_lines(tensors: Iterable[TensorDetails]) -> Iterator[tuple[str, str]]:
    """Each input and output with its type and shape."""
    for tensor in tensors:
        shape = "" if tensor.shape is None else f" [{', '.join(map(str, tensor.shape))}]"
        yield tensor.mode, f"{tensor.name}, {tensor.type}{shape}"


def counts_lines(label: str, total: int, counts: Counts) -> Iterator[tuple[str, str]]:
    """A total and its parts by precision, then the kinds within each precision."""
    sums = {precision: sum(kinds.values()) for precision, kinds in counts.items()}
    parts = ", ".join(f"{count} {precision}" for precision, count in sums.items())
    yield label, f"{total}: {parts}" if parts else str(total)
    for precision, kinds in counts.items():
        yield "", f"{precision}: " + ", ".join(f"{kind} {count}" for kind, count in kinds.items())


def weights_lines(weights: Iterable[WeightsDetails]) -> Iterator[tuple[str, str]]:
    """The constant values of each type."""
    for index, part in enumerate(weights):
        used = ", ".join(f"{name} {count}" for name, count in part.used_by.items())
        line = f"{size(part.bytes)} {part.type}, {part.values:,} values in {part.tensors} tensors"
        yield "" if index else "weights", f"{line}: {used}" if used else line
