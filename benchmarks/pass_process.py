"""A variant of the forward pass in a process of its own, which computes when told to."""

import time
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from ceilings import synchronize
from dinoflow_deploy.errors import EngineError
from forward_passes import VARIANTS, ForwardPass, PyTorchPass, Variant, open_pass

REFERENCE: Final = "eager-fp32"
ALLOWED: Final = {"fp32": 0.001, "fp16": 0.02, "bf16": 0.1}
"""Largest relative difference of the flow from the reference's, as norms: roundings, not mistakes."""
KERNELS: Final = 12

Turn = tuple[list[float], float]
"""Seconds of each pair that was waited for, and pairs per second without waiting."""


def settle() -> None:
    """Have torch compute alike in every process."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True


def make_images(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    generator = torch.Generator(device).manual_seed(0)
    image1, image2 = torch.rand(2, 1, 3, *size, device=device, generator=generator)
    return image1, image2


def reference_flow(weights: Path, size: tuple[int, int], device: torch.device, output: Path) -> None:
    """Compute the flow that the variants are compared with, and keep it in a file."""
    settle()
    passed = open_pass(VARIANTS[REFERENCE], weights, make_images(size, device))
    passed.start()
    np.save(output, passed.flow.double().cpu().numpy())


class LoadedPass:
    """What the process does.

    Args:
        variant: What to load.
        size: Height and width of the images.
        device: Where.
    """

    def __init__(self, variant: Variant, size: tuple[int, int], device: torch.device) -> None:
        self._variant = variant
        self._size = size
        self._device = device
        self._pass: ForwardPass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def load(self, source: Path, expected: Path) -> dict[str, Any]:
        """Load the variant and run it four times.

        Args:
            source: Weights or bundle.
            expected: File of the reference's flow; where it is not there, nothing is compared.

        Raises:
            EngineError: The flow is another.
        """
        settle()
        images = make_images(self._size, self._device)
        before = free_memory(self._device)
        began = time.perf_counter()
        passed = open_pass(self._variant, source, images)
        for _ in range(2):
            passed.start()
            passed.wait()
        seconds = time.perf_counter() - began
        # Without what trying out algorithms took.
        free_memory(self._device)
        passed.flow.fill_(torch.nan)
        # ONNX Runtime computes on a stream of its own, which does not wait for torch's.
        synchronize(self._device)
        passed.start()
        passed.wait()
        after = free_memory(self._device, keep_cache=True)
        self._pass = passed
        return {
            "start_seconds": seconds,
            "memory_bytes": None if before is None or after is None else before - after,
            "difference": self._difference(expected),
            "kernels": kernels(passed),
        }

    def turn(self, seconds: float) -> Turn:
        """Compute for about that long waiting for each pair, then as many without waiting."""
        passed = self._pass
        passed.start()
        passed.wait()
        latencies: list[float] = []
        while not latencies or sum(latencies) < seconds:
            began = time.perf_counter()
            passed.start()
            passed.wait()
            latencies.append(time.perf_counter() - began)
        began = time.perf_counter()
        for _ in latencies:
            passed.start()
        passed.wait()
        return latencies, len(latencies) / (time.perf_counter() - began)

    def _difference(self, expected: Path) -> float | None:
        """Relative difference of the flow from the expected one, which must be no more than rounding."""
        if not expected.exists():
            return None
        wanted = np.load(expected)
        found = np.linalg.norm(self._pass.flow.double().cpu().numpy() - wanted) / np.linalg.norm(wanted)
        allowed = ALLOWED[self._variant.precision]
        if not found <= allowed:
            raise EngineError(f"the flow differs by {found:.2g} of its norm, more than {allowed}")
        return float(found)


def free_memory(device: torch.device, *, keep_cache: bool = False) -> int | None:
    if device.type == "cpu":
        return None
    torch.cuda.synchronize(device)
    if not keep_cache:
        torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    return int(free)


def kernels(passed: ForwardPass) -> list[dict[str, Any]] | None:
    """What the device did in one call, the longest first; torch's profiler sees torch's work alone."""
    if not isinstance(passed, PyTorchPass):
        return None
    cuda = passed.flow.is_cuda
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as profiler:
        passed.start()
        passed.wait()
    events = [
        {
            "name": event.key,
            "count": event.count,
            "ms": (event.self_device_time_total if cuda else event.self_cpu_time_total) / 1000,
        }
        for event in profiler.key_averages()
    ]
    return sorted(events, key=lambda event: -event["ms"])[:KERNELS]
