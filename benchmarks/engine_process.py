"""An engine in a process of its own, which computes when told to, so that engines can take turns."""

import re
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from dinoflow_deploy.engines import load_engine

WARM_UP_CALLS = 2


class EngineProcess:
    """An engine, loaded and warmed up, on the CPU.

    Args:
        source: What ``load_engine`` takes.
        backend: ``"onnxruntime"`` or ``"pytorch"``.
        size: Height and width of its frames in pixels.
        threads: Threads that compute.
    """

    def __init__(self, source: Path, backend: str, size: tuple[int, int], threads: int) -> None:
        # A new interpreter: nothing that this process has loaded counts in the other's memory.
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, source, backend, size, threads)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        # This process' end; without it the pipe would not end when the other process does.
        theirs.close()
        self._pipe.recv()

    def compute(self, seconds: float) -> list[float]:
        """Compute one pair after the other for about that long, one at least.

        Returns:
            Seconds that each took, from frames to flow.
        """
        self._pipe.send(seconds)
        taken: list[float] = self._pipe.recv()
        return taken

    def finish(self) -> int:
        """End the process.

        Returns:
            The most bytes of memory that it ever held (resident set).
        """
        self._pipe.send(None)
        peak: int = self._pipe.recv()
        self._process.join()
        return peak


def peak_memory() -> int:
    """Most bytes of memory that this process ever held (resident set; Linux).

    ``getrusage`` would count what the parent process held when it made this one.
    """
    kibibytes = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert kibibytes is not None, "Linux says so in every process' status"
    return int(kibibytes[1]) * 1024


def _serve(pipe: Connection, source: Path, backend: str, size: tuple[int, int], threads: int) -> None:
    height, width = size
    frames = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    with load_engine(source, backend, "cpu", **_threads(backend, threads)) as engine:
        for _ in range(WARM_UP_CALLS):
            engine(frames[0], frames[1])
        pipe.send("ready")
        while (seconds := pipe.recv()) is not None:
            taken: list[float] = []
            while not taken or sum(taken) < seconds:
                began = time.perf_counter()
                engine(frames[0], frames[1])
                taken.append(time.perf_counter() - began)
            pipe.send(taken)
    pipe.send(peak_memory())


def _threads(backend: str, threads: int) -> dict[str, Any]:
    """Options of the engine; PyTorch's threads are set for the process."""
    if backend == "onnxruntime":
        return {"intra_op_threads": threads}
    import torch

    torch.set_num_threads(threads)
    return {}
