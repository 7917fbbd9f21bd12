"""As much of ``torch.cuda`` as computing on a GPU asks for, on the CPU.

Work is done at once, and by graphs again. Memory is the host's. A graph refuses what CUDA refuses while it
records: to wait for a stream.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor


class FakeCuda:
    """Takes the place of the module ``torch`` in ``computing``."""

    def __init__(self) -> None:
        self.recording: list[Callable[[], None]] | None = None
        self.replays = 0
        self.streams = 0
        self.cuda = SimpleNamespace(
            Stream=self._stream,
            stream=self._within,
            device=self._within,
            current_stream=lambda device: SimpleNamespace(synchronize=self._synchronize),
            CUDAGraph=lambda: _Graph(self),
            graph=self._graph,
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def empty(self, shape: Any, *, dtype: torch.dtype = torch.float32, pin_memory: bool) -> Tensor:
        assert pin_memory, "only what is pinned is copied without waiting"
        return torch.full(tuple(shape), torch.nan if dtype.is_floating_point else 255, dtype=dtype)

    def _stream(self, device: torch.device) -> SimpleNamespace:
        self.streams += 1
        return SimpleNamespace(synchronize=self._synchronize)

    def _synchronize(self) -> None:
        if self.recording is not None:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    @contextmanager
    def _within(self, what: object) -> Iterator[None]:
        yield

    @contextmanager
    def _graph(self, graph: "_Graph", *, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        self.recording = graph.work
        try:
            yield
        finally:
            self.recording = None


class _Graph:
    def __init__(self, cuda: FakeCuda) -> None:
        self._cuda = cuda
        self.work: list[Callable[[], None]] = []

    def replay(self) -> None:
        self._cuda.replays += 1
        for each in self.work:
            each()


class FakePackage:
    """Flow is (red, green) of image 2 less image 1, and waits for nothing; it can be recorded."""

    def __init__(self, cuda: FakeCuda, lock: Any) -> None:
        self._cuda, self.lock = cuda, lock
        self.runs = 0
        self.waits = False

    def __call__(self, image1: Tensor, image2: Tensor) -> Tensor:
        assert self.lock.locked(), "one call at a time"
        if self.waits:
            self._cuda._synchronize()
        flow = torch.empty(image1.shape[0], 2, *image1.shape[2:])

        def compute() -> None:
            self.runs += 1
            flow.copy_((image2 - image1)[:, :2])

        if self._cuda.recording is None:
            compute()
        else:
            self._cuda.recording.append(compute)
        return flow
