"""Memory that a call takes beside the loaded model, on the CPU: what the rules of `video` are made of.

Each figure comes from a new process, which loads the engine and computes one pair of 64x64, so that all that
is loaded late is there. From then on its peak is counted anew: "growth" is the most that it held during
two calls, beyond what it held before them (resident set; Linux). The built-in model is measured as it is; the
weights of others are random, since memory does not depend on them. "peak" is all that the process held then,
the runtime and the model included. "rule" is what
`engines/memory_estimate.py` says of the same frames, whose sides are to be multiples of 16.

Run: python benchmarks/pair_memory.py
"""

import argparse
import re
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from dinoflow_deploy.bench.engine_process import EngineSource, peak_memory
from dinoflow_deploy.engines.memory_estimate import memory_rule
from dinoflow_deploy.system.worker_process import WorkerProcess
from models import ModelFiles, model_files
from recording import Found, Record, argument_parser, print_table, row, size_argument, size_text

BACKENDS: Final = ("onnxruntime", "openvino", "pytorch")
SIZES: Final = [(256, 256), (448, 1024), (544, 960), (720, 1280), (1088, 1920)]
CALLS: Final = 2
_HEADER: Final = ("model", "engine", "size", "batch", "growth MiB", "rule MiB", "growth of rule", "peak MiB")


def main() -> None:
    arguments = parse_arguments()
    with Record(arguments, show, results=[]) as record, tempfile.TemporaryDirectory() as folder:
        for name in arguments.models:
            files = model_files(name, Path(folder))
            for backend in arguments.backends:
                for batch in arguments.batches:
                    for size in arguments.sizes:
                        measure(files, backend, size, batch, record)


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--models", nargs="+", default=["nano", "small", "vits16"])
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--sizes", nargs="+", type=size_argument, default=SIZES, metavar="HxW")
    parser.add_argument("--batches", nargs="+", type=int, default=[1], metavar="N", help="pairs per call")
    return parser.parse_args()


def measure(model: ModelFiles, backend: str, size: tuple[int, int], batch: int, record: Record) -> None:
    found: Found = {"model": model.name, "backend": backend, "size": size, "batch": batch}
    with record.attempt(f"{model.name} {backend} {size_text(size)}", found, record.results["results"]):
        source = EngineSource(str(model.source(backend)), backend, "cpu", {})
        process = WorkerProcess("the engine", _Measured, source)
        try:
            found["growth_bytes"] = process.call("growth", size, batch)
            found["peak_bytes"] = process.call("peak")
        finally:
            process.kill()


class _Measured:
    """What the process does."""

    def __init__(self, source: EngineSource) -> None:
        self._engine = source.load()
        self._engine.warm_up(64, 64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def growth(self, size: tuple[int, int], batch: int) -> int:
        """Bytes by which calls make the process grow."""
        frames = np.random.default_rng(0).integers(0, 256, (2, batch, *size, 3), dtype=np.uint8)
        # The peak is set to what is held now.
        Path("/proc/self/clear_refs").write_text("5")
        before = held_memory()
        for _ in range(CALLS):
            self._engine.batch(*frames)
        return peak_memory() - before

    def peak(self) -> int:
        """The most bytes that the process held during these calls."""
        return peak_memory()


def held_memory() -> int:
    """Bytes of memory that this process holds (resident set)."""
    kibibytes = re.search(r"^VmRSS:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert kibibytes is not None, "Linux says so in every process' status"
    return int(kibibytes[1]) * 1024


def show(results: dict[str, Any]) -> None:
    print_table(
        _HEADER, [row(found, place(found), _HEADER, partial(cells, found)) for found in results["results"]]
    )


def place(found: Found) -> tuple[str, ...]:
    return found["model"], found["backend"], size_text(found["size"]), str(found["batch"])


def cells(found: Found) -> list[str]:
    growth, rule = found["growth_bytes"], memory_rule(found["model"], found["backend"])
    # Records of before it was measured have none.
    peak = f"{found['peak_bytes'] / 2**20:.0f}" if "peak_bytes" in found else "-"
    if rule is None:
        return [f"{growth / 2**20:.0f}", "-", "-", peak]
    height, width = found["size"]
    estimate = rule.bytes_for(height, width, found["batch"])
    return [f"{growth / 2**20:.0f}", f"{estimate / 2**20:.0f}", f"{growth / estimate:.2f}", peak]


if __name__ == "__main__":
    main()
