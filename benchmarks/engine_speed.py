"""ONNX Runtime and OpenVINO against PyTorch eager: pairs per second, latency, memory.

On the CPU, or with --device cuda, which OpenVINO has none of.

The built-in model is measured as it is; the weights of others are random, since speed does not depend on
them. For each model and size, each engine runs in a new process of its own with the same number of threads.
After two calls that do not count, the engines take turns for a number of rounds, computing one pair after
the other for a few seconds each, so that whatever else the machine does meets all of them alike; "ratio" is
the median over the rounds of one round's speed over PyTorch's in the same round. A call is what a user
calls: from two uint8 frames to flow, padding and conversion included. Memory is the most that the process
ever held (resident set), the runtime itself included. "first flow" is the time from the first import of a
process to its first flow, and "again" that of the next process: OpenVINO keeps what it has compiled.

With --profile also where the time goes on the CPU: by operator (ONNX Runtime's own profiler, torch.profiler)
and by part of the model, in calls of their own.

Run: python benchmarks/engine_speed.py [--profile]
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.bench.engine_process import EngineProcess, EngineSource
from models import ModelFiles, model_files
from profiles import profile_onnxruntime, profile_pytorch
from recording import (
    Found,
    Record,
    argument_parser,
    missing,
    print_table,
    row,
    size_argument,
    size_text,
    spread,
)

BACKENDS: Final = {"cpu": ("pytorch", "onnxruntime", "openvino"), "cuda": ("pytorch", "onnxruntime")}
"""By device; the first is what the others are compared with."""
FIRST: Final = "pytorch"
PROFILED: Final = ("pytorch", "onnxruntime")
"""Those that have a profiler of their own."""
SHOWN: Final = 8
"""Lines of a profile that are printed; the record holds all."""


def main() -> None:
    arguments = parse_arguments()
    # PyTorch takes its threads from here; the others from their options.
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    with (
        Record(arguments, show, figures, results=[], profiles=[]) as record,
        tempfile.TemporaryDirectory() as folder,
    ):
        use_empty_cache(folder)
        for name in arguments.models:
            model: Found = {"model": name, "size": None, "backend": "loading"}
            with record.attempt(name, model):
                files = model_files(name, Path(folder))
            if missing(model):
                record.results["results"].append(model)
                continue
            for size in arguments.sizes:
                measure(files, size, arguments, record)
                if arguments.profile:
                    profile(files, size, arguments, record)


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--models", nargs="+", default=["nano", "vits16"])
    parser.add_argument(
        "--sizes", nargs="+", type=size_argument, default=[(256, 256), (448, 1024)], metavar="HxW"
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each engine (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a turn (default: %(default)s)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    threads_argument(parser)
    parser.add_argument("--profile", action="store_true", help="also measure where the time goes")
    parser.add_argument("--profile-calls", type=int, default=3, help="(default: %(default)s)")
    return parser.parse_args()


def use_empty_cache(folder: str) -> None:
    """Have the processes that are started keep what they compile there, where nothing is yet."""
    os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")


def threads_argument(parser: argparse.ArgumentParser) -> None:
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--threads", type=int, default=cores, help="of each engine on the CPU (default: all)")


def measure(model: ModelFiles, size: tuple[int, int], arguments: argparse.Namespace, record: Record) -> None:
    """The engines of a model at one size, in turns."""
    with ExitStack() as stack:
        engines: dict[str, tuple[EngineProcess, Found]] = {}
        for backend in BACKENDS[arguments.device]:
            found: Found = {"model": model.name, "size": size, "backend": backend}
            with record.attempt(f"{model.name} {backend}", found, record.results["results"]):
                threads = {"intra_op_threads": arguments.threads}
                options = threads if backend != FIRST and arguments.device == "cpu" else {}
                source = EngineSource(str(model.source(backend)), backend, arguments.device, options)
                engines[backend] = open_engine(source, found, stack), found
        take_turns(engines, arguments, record)


def open_engine(source: EngineSource, found: Found, stack: ExitStack) -> EngineProcess:
    """An engine, ready to compute; how long two processes took until their first flow is noted."""
    seconds = []
    for again in (False, True):
        engine = EngineProcess(source, found["size"], batch=1)
        seconds.append(engine.load_seconds + engine.first_call_seconds)
        if not again:
            engine.kill()
    stack.callback(engine.kill)
    found["first_flow_seconds"] = seconds
    found["not_run"] = "no round was finished"
    return engine


def take_turns(
    engines: dict[str, tuple[EngineProcess, Found]],
    arguments: argparse.Namespace,
    record: Record,
    first: str = FIRST,
) -> None:
    """Fill in what is found of engines that compute in turns; ratios are to the first."""
    rounds: list[dict[str, list[float]]] = []
    for _ in range(arguments.rounds):
        turn: dict[str, list[float]] = {}
        for backend, (engine, found) in engines.items():
            if "failed" in found:
                continue
            with record.attempt(f"{found['model']} {backend}", found):
                turn[backend] = [call.total for call in engine.compute(arguments.seconds)]
                found["peak_memory_bytes"], _ = engine.memory()
        rounds.append(turn)
        for backend in turn:
            found = engines[backend][1]
            found.pop("not_run", None)
            found |= summary(backend, rounds, first)
        record.save()


def summary(backend: str, rounds: list[dict[str, list[float]]], first: str) -> Found:
    seconds = [taken for turn in rounds for taken in turn.get(backend, [])]
    both = [turn for turn in rounds if backend in turn and first in turn]
    ratios = [rate(turn[backend]) / rate(turn[first]) for turn in both]
    return {
        "calls": len(seconds),
        "ratio_to": first,
        "pairs_per_second": rate(seconds),
        "latency_ms": spread([1000 * taken for taken in seconds]),
        "ratio": spread(ratios) if ratios else None,
    }


def rate(seconds: list[float]) -> float:
    """Pairs per second."""
    return len(seconds) / sum(seconds)


def profile(model: ModelFiles, size: tuple[int, int], arguments: argparse.Namespace, record: Record) -> None:
    how = (size, arguments.threads, arguments.profile_calls)
    profilers = {
        "pytorch": partial(profile_pytorch, model.weights, *how),
        "onnxruntime": partial(profile_onnxruntime, model.bundle, *how),
    }
    for backend in PROFILED:
        found: Found = {"model": model.name, "size": size, "backend": backend}
        with record.attempt(f"profiling {model.name} {backend}", found, record.results["profiles"]):
            found |= profilers[backend]()


def show(results: dict[str, Any]) -> None:
    header = (
        *("model", "size", "engine", "pairs/s", "p50 ms", "ratio", "least to most"),
        *("first flow s", "again s", "peak MiB", "calls"),
    )
    print_table(
        header,
        [row(found, place(found), header, partial(cells, found)) for found in results["results"]],
    )
    for found in results["profiles"]:
        if not missing(found):
            print_profile(found)


def place(found: Found) -> tuple[str, str, str]:
    size = found["size"] and size_text(found["size"])
    return found["model"], size or "-", found["backend"]


def cells(found: Found) -> list[str]:
    ratio = found["ratio"]
    return [
        f"{found['pairs_per_second']:.3g}",
        f"{found['latency_ms']['median']:.{0 if found['latency_ms']['median'] >= 100 else 1}f}",
        f"{ratio['median']:.2f}" if ratio else "-",
        f"{ratio['min']:.2f} to {ratio['max']:.2f}" if ratio else "-",
        # Records of before it was measured have none.
        *(f"{seconds:.2f}" if seconds else "-" for seconds in found.get("first_flow_seconds", (None, None))),
        f"{found['peak_memory_bytes'] / 2**20:.0f}",
        str(found["calls"]),
    ]


def figures(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for found in results["results"]:
        yield " ".join(place(found)), missing(found) or figure(found)


def figure(found: Found) -> str:
    rate_text, latency, ratio, *_ = cells(found)
    return f"{rate_text} pairs/s, {latency} ms, {ratio} of {found['ratio_to']}"


def print_profile(found: dict[str, Any]) -> None:
    height, width = found["size"]
    title = f"{found['model']} {height}x{width}, {found['backend']}"
    for what in ("parts", "operators"):
        total = sum(found[what].values())
        print_table(
            (f"{title}: {what}", "ms per call", "share"),
            [(name, f"{ms:.1f}", f"{ms / total:.0%}") for name, ms in list(found[what].items())[:SHOWN]],
        )


if __name__ == "__main__":
    main()
