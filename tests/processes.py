"""Processes as Linux shows them under /proc."""

import re
import signal
from pathlib import Path


def descendants(parent: int) -> list[int]:
    """What a process started, and what those started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name in parentheses may hold spaces.
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    found += [int(entry.name), *descendants(int(entry.name))]
            except OSError:
                continue
    return found


def blocks_interrupts(process: int | str) -> bool:
    """Whether Ctrl-C never reaches a process (proc(5): the signals that it blocks, as a hexadecimal mask)."""
    mask = re.search(r"^SigBlk:\s*(\w+)$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    assert mask
    return bool(int(mask[1], 16) >> (signal.SIGINT - 1) & 1)
