"""A Triton server's engine through shared memory and through gRPC, on one machine, in turns.

Both engines are of one server, which runs already, and take turns, one call each. "client CPU" is the time
that this process computed for a call, whatever else the machine did; "ratio" is the median over the calls of
gRPC's time over this one's. The network's own time is part of every call: the less it is, the more is seen.

Run: python benchmarks/triton_transport.py grpc://localhost:8001/dinoflow
"""

import argparse
import time
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

import numpy as np

from dinoflow_deploy import load_engine
from dinoflow_deploy.engines import FlowEngine
from recording import Found, Record, argument_parser, print_table, row, size_argument, size_text, spread

WAYS: Final = {"gRPC": "off", "shared memory": "on"}
"""What ``shared_memory`` is for each."""
WARM_UP: Final = 3
"""Calls that do not count."""


def main() -> None:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("model", help="address of a model, grpc://HOST:8001/MODEL")
    parser.add_argument(
        "--size", type=size_argument, nargs="+", default=[(448, 1024), (1088, 1920)], metavar="HxW"
    )
    parser.add_argument("--calls", type=int, default=40, help="of each engine (default: %(default)s)")
    arguments = parser.parse_args()
    with Record(arguments, show, results=[]) as record, ExitStack() as engines:
        opened = {
            way: engines.enter_context(load_engine(arguments.model, "triton", shared_memory=option))
            for way, option in WAYS.items()
        }
        for size in arguments.size:
            for way, found in take_turns(opened, size, arguments).items():
                with record.attempt(f"{size_text(size)}, {way}", found, record.results["results"]):
                    found["provider"] = opened[way].describe().provider


def take_turns(
    engines: dict[str, FlowEngine], size: tuple[int, int], arguments: argparse.Namespace
) -> dict[str, Found]:
    frames = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in engines}
    for call in range(WARM_UP + arguments.calls):
        for way, engine in engines.items():
            taken = timed(engine, *frames)
            if call >= WARM_UP:
                times[way].append(taken)
    walls = {way: [wall for wall, _ in each] for way, each in times.items()}
    return {
        way: {
            "size": size_text(size),
            "way": way,
            "milliseconds": spread([1000 * wall for wall in walls[way]]),
            "client_cpu_milliseconds": spread([1000 * cpu for _, cpu in times[way]]),
            "ratio": spread([old / new for old, new in zip(walls["gRPC"], walls[way], strict=True)]),
        }
        for way in engines
    }


def timed(engine: FlowEngine, frame1: np.ndarray, frame2: np.ndarray) -> tuple[float, float]:
    """Seconds of one call: by the clock, and of this process on a core."""
    began, computed = time.perf_counter(), time.process_time()
    engine(frame1, frame2)
    return time.perf_counter() - began, time.process_time() - computed


def show(results: dict[str, Any]) -> None:
    header = ["size", "way", "call ms", "client CPU ms", "ratio", "least to most"]
    print_table(
        header,
        [
            row(found, (found["size"], found["way"]), header, partial(cells, found))
            for found in results["results"]
        ],
    )


def cells(found: Found) -> list[str]:
    ratio = found["ratio"]
    return [
        f"{found['milliseconds']['median']:.1f}",
        f"{found['client_cpu_milliseconds']['median']:.1f}",
        f"{ratio['median']:.2f}",
        f"{ratio['min']:.2f} to {ratio['max']:.2f}",
    ]


if __name__ == "__main__":
    main()
