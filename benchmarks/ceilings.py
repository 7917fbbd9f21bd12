"""What a device can do at most, measured, and the least time that counted work takes there."""

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any, Final

import torch

TYPES: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def describe_device(device: torch.device) -> dict[str, Any]:
    """What a record says of a device."""
    if device.type == "cpu":
        return {"name": "cpu"}
    found = torch.cuda.get_device_properties(device)
    return {
        "name": found.name,
        "capability": [found.major, found.minor],
        "memory_bytes": found.total_memory,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
    }


def measure_ceilings(device: torch.device) -> dict[str, float]:
    """Operations per second of a large matrix product in each type, and ``copy_bandwidth``."""
    side = 8192 if device.type == "cuda" else 256
    found = {}
    for name, dtype in TYPES.items():
        # Random: zeros are multiplied faster.
        first, second = torch.randn(2, side, side, device=device).to(dtype)
        found[name] = 2 * side**3 / median_seconds(partial(torch.matmul, first, second), device)
    return {**found, "bandwidth": copy_bandwidth(device)}


def copy_bandwidth(device: torch.device) -> float:
    """Bytes per second, read and written, of copying 1 GiB; on a CPU 4 MiB."""
    megabytes = 1024 if device.type == "cuda" else 4
    source = torch.randint(256, (megabytes << 20,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / median_seconds(lambda: target.copy_(source), device)


def median_seconds(run: Callable[[], object], device: torch.device) -> float:
    """Median seconds of 10 calls, after three that do not count."""
    return median([seconds_of(run, device) for _ in range(13)][3:])


def seconds_of(run: Callable[[], object], device: torch.device) -> float:
    """Seconds of a call on an idle device: on CUDA between two events."""
    if device.type == "cpu":
        began = time.perf_counter()
        run()
        return time.perf_counter() - began
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    synchronize(device)
    start.record()
    run()
    end.record()
    synchronize(device)
    return float(start.elapsed_time(end)) / 1000


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
