"""What a device can do at most, measured, and the least time that counted work takes there."""

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch

from forward_passes import TYPES


def measure_ceilings(device: torch.device) -> dict[str, float]:
    """Operations per second of a large matrix product in each type, bytes per second of a large copy."""
    side, megabytes = (8192, 1024) if device.type == "cuda" else (256, 4)
    found = {}
    for name, dtype in TYPES.items():
        # Random: zeros are multiplied faster.
        first, second = torch.randn(2, side, side, device=device).to(dtype)
        found[name] = 2 * side**3 / fastest(partial(torch.matmul, first, second), device)
    source = torch.randint(256, (megabytes << 20,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return {**found, "bandwidth": 2 * source.nbytes / fastest(lambda: target.copy_(source), device)}


def fastest(run: Callable[[], object], device: torch.device) -> float:
    """Median seconds of 10 calls, after three that do not count."""
    taken = []
    for _ in range(13):
        synchronize(device)
        began = time.perf_counter()
        run()
        synchronize(device)
        taken.append(time.perf_counter() - began)
    return median(taken[3:])


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that was started."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def floor(work: dict[str, Any], precision: str, ceilings: dict[str, float]) -> float:
    """Least seconds of a forward pass, by ``count_work`` and ``measure_ceilings``."""
    return sum(part_floor(part, precision, ceilings) for part in work[precision].values())


def part_floor(part: dict[str, int], precision: str, ceilings: dict[str, float]) -> float:
    """The longer of a part's arithmetic and its traffic, in seconds."""
    return max(part["operations"] / ceilings[precision], part["bytes"] / ceilings["bandwidth"])
