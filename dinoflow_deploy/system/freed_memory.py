"""Freed memory that is taken again without asking the kernel for it each time."""

import ctypes
import os
from typing import Final

# Of glibc's malloc.h; 32 MiB is the most that it takes for a block's threshold.
_TRIM_THRESHOLD: Final = -1
_MAP_THRESHOLD: Final = -3
_MOST_MAPPED: Final = -4
_LARGEST_KEPT: Final = 32 << 20
_MOST_KEPT: Final = 512 << 20
_NEVER: Final = -1

_SETTINGS: Final = ("mmap_max", "mmap_threshold", "trim_threshold")


def keep_freed_memory(*, of_any_size: bool = False) -> bool:
    """Have glibc keep what this process frees for what it allocates next.

    By default it returns what is freed to the kernel at once, and each page of the next block is a page fault
    again: through PyTorch on a CPU, which allocates for every layer, that is a third of the time. It is the
    whole process that changes, so it is for programs to call, early; commands and the processes that they
    start do so.

    Args:
        of_any_size: Keep blocks of more than 32 MiB too, and everything until the process ends. For work on
            arrays of the same few sizes, as training is: of many sizes, more and more would be held.

    Returns:
        Whether it does now: not with another C library, and not where the user has set one of malloc's own
        environment variables for this (``MALLOC_TRIM_THRESHOLD_``, ``MALLOC_MMAP_MAX_``,
        ``MALLOC_MMAP_THRESHOLD_``, or those of ``GLIBC_TUNABLES``).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or _set_by_user():
        return False
    if of_any_size:
        return bool(mallopt(_MOST_MAPPED, 0) and mallopt(_TRIM_THRESHOLD, _NEVER))
    return bool(mallopt(_MAP_THRESHOLD, _LARGEST_KEPT) and mallopt(_TRIM_THRESHOLD, _MOST_KEPT))


def _set_by_user() -> bool:
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    return any(
        f"MALLOC_{name.upper()}_" in os.environ or f"glibc.malloc.{name}=" in tunables for name in _SETTINGS
    )
