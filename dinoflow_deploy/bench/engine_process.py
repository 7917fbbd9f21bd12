"""An engine in a process of its own, which computes when told to, so that engines can take turns."""

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from dinoflow_deploy.engines import FlowEngine, load_engine
from dinoflow_deploy.errors import DinoFlowError, EngineError
from dinoflow_deploy.interrupts import no_interrupts_for_children

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
        # A new interpreter: nothing that this process has loaded counts in the other's memory.
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, source, size, batch), daemon=True)
        # The process that asks decides when this one ends.
        with no_interrupts_for_children():
            self._process.start()
        # This process' end; without it the pipe would not end when the other process does.
        theirs.close()
        self.load_seconds, self.first_call_seconds = self._answer()

    def compute(self, seconds: float) -> list[Call]:
        """Compute one batch after the other for about that long, one at least."""
        self._pipe.send(seconds)
        calls: list[Call] = self._answer()
        return calls

    def finish(self) -> tuple[int, int | None]:
        """End the process.

        Returns:
            The most bytes of memory that it ever held (resident set), and what it held on the GPU at last.
        """
        self._pipe.send(None)
        memory: tuple[int, int | None] = self._answer()
        self._process.join()
        return memory

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise EngineError(f"the engine's process {_end(self._process.exitcode)}") from None
        if isinstance(answer, DinoFlowError):
            self._process.join()
            raise answer
        return answer


def _end(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    if name == "SIGKILL":
        return f"died of {name}, most often for want of memory: measure smaller frames or a smaller batch"
    return f"died of {name}, most often a defect of a library that it loaded"


def peak_memory() -> int:
    """Most bytes of memory that this process ever held (resident set; Linux).

    ``getrusage`` would count what the parent process held when it made this one.
    """
    kibibytes = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert kibibytes is not None, "Linux says so in every process' status"
    return int(kibibytes[1]) * 1024


def parse_device_memory(listing: str, pid: int) -> int | None:
    """Bytes that a process holds on GPUs, from nvidia-smi's ``pid, used_memory`` lines in MiB."""
    used = [
        int(memory) << 20
        for owner, memory in re.findall(r"^(\d+), (\d+)$", listing, re.MULTILINE)
        if int(owner) == pid
    ]
    return sum(used) if used else None


def _device_memory(device: str, pid: int) -> int | None:
    if not device.startswith("cuda"):
        return None
    command = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_device_memory(listing, pid)


def _serve(pipe: Connection, source: EngineSource, size: tuple[int, int], batch: int) -> None:
    try:
        began = time.perf_counter()
        with source.load() as engine:
            loaded = time.perf_counter() - began
            frames = np.random.default_rng(0).integers(0, 256, (2, batch, *size, 3), dtype=np.uint8)
            first = _timed(engine, frames[0], frames[1]).total
            for _ in range(WARM_UP_CALLS - 1):
                _timed(engine, frames[0], frames[1])
            pipe.send((loaded, first))
            while (seconds := pipe.recv()) is not None:
                calls: list[Call] = []
                while not calls or sum(call.total for call in calls) < seconds:
                    calls.append(_timed(engine, frames[0], frames[1]))
                pipe.send(calls)
            device_memory = _device_memory(engine.describe().device, os.getpid())
        pipe.send((peak_memory(), device_memory))
    except DinoFlowError as error:
        pipe.send(error)
    except MemoryError:
        pipe.send(EngineError(f"there is no memory for {batch} pairs of {size[0]}x{size[1]}: measure less"))
    except Exception as error:  # whatever a library raises: who asked has to learn of it
        pipe.send(EngineError(f"the engine failed: unexpected {type(error).__name__}: {error}"))
        raise


def _timed(engine: FlowEngine, frames1: np.ndarray, frames2: np.ndarray) -> Call:
    began = time.perf_counter()
    prepared = engine.prepare(frames1, frames2)
    ready = time.perf_counter()
    flow = engine.infer(prepared)
    # The flow is on the host now, so that the clock needs no waiting for a device.
    inferred = time.perf_counter()
    engine.finish(prepared, flow)
    return Call(ready - began, inferred - ready, time.perf_counter() - inferred)
