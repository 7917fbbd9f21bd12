"""ONNX Runtime against PyTorch eager on the CPU: pairs per second, latency, memory.

The built-in model is measured as it is; the weights of others are random, since speed does not depend on
them. For each model and size, each engine runs in a new process of its own with the same number of threads.
After two calls that do not count, the engines take turns for a number of rounds, computing one pair after
the other for a few seconds each, so that whatever else the machine does meets all of them alike; "ratio" is
the median over the rounds of one round's speed over PyTorch's in the same round. A call is what a user
calls: from two uint8 frames to flow, padding and conversion included. Memory is the most that the process
ever held (resident set), the runtime itself included.

With --profile also where the time goes: by operator (ONNX Runtime's own profiler, torch.profiler) and by
part of the model, in calls of their own.

Run: python benchmarks/engine_speed.py [--profile]
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.bench.engine_process import EngineProcess, EngineSource
from models import ModelFiles, model_files
from profiles import profile_onnxruntime, profile_pytorch
from recording import argument_parser, print_table, size_argument, spread, write_record

BACKENDS: Final = ("pytorch", "onnxruntime")
"""The first is what the others are compared with."""
SHOWN: Final = 8
"""Lines of a profile that are printed; the record holds all."""


def main() -> None:
    arguments = parse_arguments()
    results, profiles = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.models:
            model = model_files(name, Path(folder))
            for size in arguments.sizes:
                results += measure(model, size, arguments)
                if arguments.profile:
                    profiles += profile(model, size, arguments)
    print_results(results)
    for found in profiles:
        print_profile(found)
    write_record(arguments, results=results, profiles=profiles)


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--models", nargs="+", default=["nano", "vits16"])
    parser.add_argument(
        "--sizes", nargs="+", type=size_argument, default=[(256, 256), (448, 1024)], metavar="HxW"
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each engine (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a turn (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=cores, help="of each engine (default: all cores)")
    parser.add_argument("--profile", action="store_true", help="also measure where the time goes")
    parser.add_argument("--profile-calls", type=int, default=3, help="(default: %(default)s)")
    return parser.parse_args()


def measure(model: ModelFiles, size: tuple[int, int], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    # PyTorch takes its threads from here; ONNX Runtime from its options.
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    options = {"pytorch": {}, "onnxruntime": {"intra_op_threads": arguments.threads}}
    engines = {
        backend: EngineProcess(
            EngineSource(str(model.source(backend)), backend, "cpu", options[backend]), size, batch=1
        )
        for backend in BACKENDS
    }
    rounds = [
        {
            backend: [call.total for call in engine.compute(arguments.seconds)]
            for backend, engine in engines.items()
        }
        for _ in range(arguments.rounds)
    ]
    results = []
    for backend, engine in engines.items():
        seconds = [taken for turn in rounds for taken in turn[backend]]
        ratios = [rate(turn[backend]) / rate(turn[BACKENDS[0]]) for turn in rounds]
        results.append(
            {
                "model": model.name,
                "size": size,
                "backend": backend,
                "calls": len(seconds),
                "pairs_per_second": rate(seconds),
                "latency_ms": spread([1000 * taken for taken in seconds]),
                "ratio": spread(ratios),
                "peak_memory_bytes": engine.finish()[0],
            }
        )
    return results


def rate(seconds: list[float]) -> float:
    """Pairs per second."""
    return len(seconds) / sum(seconds)


def profile(model: ModelFiles, size: tuple[int, int], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    how = (size, arguments.threads, arguments.profile_calls)
    found = {
        "pytorch": profile_pytorch(model.weights, *how),
        "onnxruntime": profile_onnxruntime(model.bundle, *how),
    }
    return [{"model": model.name, "size": size, "backend": backend} | found[backend] for backend in BACKENDS]


def print_results(results: list[dict[str, Any]]) -> None:
    header = ("model", "size", "engine", "pairs/s", "p50 ms", "ratio", "least to most", "peak MiB", "calls")
    print_table(
        header,
        [
            (
                result["model"],
                "x".join(map(str, result["size"])),
                result["backend"],
                f"{result['pairs_per_second']:.3g}",
                f"{result['latency_ms']['median']:.0f}",
                f"{result['ratio']['median']:.2f}",
                f"{result['ratio']['min']:.2f} to {result['ratio']['max']:.2f}",
                f"{result['peak_memory_bytes'] / 2**20:.0f}",
                str(result["calls"]),
            )
            for result in results
        ],
    )


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
