"""An engine in a process of its own, which computes when told to, so that engines can take turns."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.engines import FlowEngine, load_engine
from dinoflow_deploy.engines.backend import Backend
from dinoflow_deploy.engines.backends import register_backend, registered_backends
from dinoflow_deploy.errors import EngineError
from dinoflow_deploy.models.registry import Model, register_model, registered_models
from dinoflow_deploy.system.gpus import memory_held
from dinoflow_deploy.system.worker_process import WorkerProcess

WARM_UP_CALLS = 2


@dataclass(frozen=True, slots=True)
class EngineSource:
    """What an engine is loaded from: the arguments of ``load_engine``.

    Attributes:
        model: Built-in name or path.
        backend: ``"auto"`` or a name.
        device: ``"auto"`` or a name.
        options: Of the backend.
    """

    model: str
    backend: str
    device: str
    options: dict[str, Any]

    def load(self) -> FlowEngine:
        """Load it."""
        return load_engine(self.model, self.backend, self.device, **self.options)


@dataclass(frozen=True, slots=True)
class Call:
    """Seconds that the stages of one call took."""

    prepare: float
    infer: float
    finish: float

    @property
    def total(self) -> float:
        """From frames to flow."""
        return self.prepare + self.infer + self.finish


class EngineProcess:
    """An engine, loaded and warmed up on frames of one size.

    Args:
        source: What to load.
        size: Height and width of its frames in pixels.
        batch: Pairs per call.

    Attributes:
        load_seconds: Until it was loaded, imports of the backend included.
        first_call_seconds: Of its first call, which nothing preceded.

    Raises:
        EngineError: It cannot be loaded or does not run.
    """

    def __init__(self, source: EngineSource, size: tuple[int, int], batch: int) -> None:
        added = _Added(registered_backends(), registered_models())
        self._worker = WorkerProcess("the engine", _LoadedEngine, source, size, batch, added)
        self.load_seconds, self.first_call_seconds = self._worker.call("warm_up")

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._worker.pid

    def compute(self, seconds: float) -> list[Call]:
        """Compute one batch after the other for about that long, one at least."""
        calls: list[Call] = self._worker.call("compute", seconds)
        return calls

    def memory(self) -> tuple[int, int | None]:
        """The most bytes of memory that it ever held (resident set), and what it holds on the GPU."""
        held: tuple[int, int | None] = self._worker.call("memory")
        return held

    def kill(self) -> None:
        """End the process at once."""
        self._worker.kill()


@dataclass(frozen=True, slots=True)
class _Added:
    """What this process knows beside what the package holds, for one that knows only that."""

    backends: tuple[Backend, ...]
    models: tuple[Model, ...]

    def register(self) -> None:
        for backend in self.backends:
            register_backend(backend)
        for model in self.models:
            register_model(model)


class _LoadedEngine:
    """What the process does."""

    def __init__(self, source: EngineSource, size: tuple[int, int], batch: int, added: _Added) -> None:
        added.register()
        began = time.perf_counter()
        self._engine = source.load()
        self._load_seconds = time.perf_counter() - began
        self._shape = (batch, *size, 3)
        self._frames: list[NDArray[np.uint8]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def warm_up(self) -> tuple[float, float]:
        """Seconds of loading and of the first call."""
        batch, height, width, _ = self._shape
        try:
            self._frames = [*np.random.default_rng(0).integers(0, 256, (2, *self._shape), dtype=np.uint8)]
            first, *_ = (timed_call(self._engine, *self._frames).total for _ in range(WARM_UP_CALLS))
        except MemoryError:
            raise EngineError(
                f"there is no memory for {batch} pairs of {height}x{width}: measure less"
            ) from None
        return self._load_seconds, first

    def compute(self, seconds: float) -> list[Call]:
        calls: list[Call] = []
        while not calls or sum(call.total for call in calls) < seconds:
            calls.append(timed_call(self._engine, *self._frames))
        return calls

    def memory(self) -> tuple[int, int | None]:
        on_gpu = self._engine.describe().device.startswith("cuda")
        return peak_memory(), memory_held(os.getpid()) if on_gpu else None


def peak_memory() -> int:
    """Most bytes of memory that this process ever held (resident set; Linux).

    ``getrusage`` would count what the parent process held when it made this one.
    """
    kibibytes = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert kibibytes is not None, "Linux says so in every process' status"
    return int(kibibytes[1]) * 1024


def timed_call(engine: FlowEngine, frames1: NDArray[np.uint8], frames2: NDArray[np.uint8]) -> Call:
    """Compute the flow of pairs, and time each stage.

    Args:
        engine: The engine.
        frames1: ``uint8 [B, H, W, 3]``, RGB.
        frames2: The same shape.
    """
    began = time.perf_counter()
    prepared = engine.prepare(frames1, frames2)
    ready = time.perf_counter()
    flow = engine.infer(prepared)
    # The flow is on the host now, so that the clock needs no waiting for a device.
    inferred = time.perf_counter()
    engine.finish(prepared, flow)
    return Call(ready - began, inferred - ready, time.perf_counter() - inferred)
