"""The correlation kernel on a GPU: its numbers for every type, radius and odd shape, and its time.

Numbers: the shipped PTX, launched by cuda-python, against the reference in float64; the largest difference as
a multiple of what one rounding to the type allows.

Time of one cost volume, radius 4, 256 channels, one pair, at the feature grids (stride 16) of Sintel, KITTI
and 1080p, beside the same operation

- "body": in PyTorch, as the operator's ONNX body computes it, replayed from a CUDA graph, so that only the
  GPU counts;
- "eager": the same called from Python, as PyTorch users would;
- "floor": what reading both features once and writing the volume once takes at the bandwidth that copying
  1 GiB shows here. Grids as small as these fit the GPU's cache, so that a kernel may even be below it.

A number is the median over rounds, in each of which kernel, body and eager take turns; in a round the kernel
and the body run 100 times within one CUDA graph, eager 20 times, between two CUDA events.

Needs an NVIDIA GPU with a driver of CUDA 13, torch with CUDA and cuda-python.
Run: python benchmarks/correlation_kernel.py
"""

import argparse
from collections.abc import Iterator
from functools import cache, partial
from itertools import product
from typing import Any, Final

import torch
from torch import Tensor

from aside import Aside
from ceilings import TYPES, copy_bandwidth, describe_device
from dinoflow_deploy.errors import EngineError
from dinoflow_deploy.export.plugin.kernel import CorrelationKernel, Features
from dinoflow_deploy.train.model.correlation import correlate_bands
from recording import Found, Record, argument_parser, missing, print_table, row
from turns import Run, microseconds_in_turns, repeated

DEVICE: Final = torch.device("cuda", 0)
GRIDS: Final = {"Sintel 448x1024": (28, 64), "KITTI 384x1248": (24, 78), "1080p 1088x1920": (68, 120)}
SHAPES: Final = ((1, 1, 1, 1), (2, 3, 2, 5), (3, 7, 5, 1), (1, 33, 3, 34), (1, 70, 4, 65), (2, 256, 28, 64))
RADIUS: Final = 4
RADII: Final = range(1, 9)
CHANNELS: Final = 256
REPEATS: Final = {"kernel": 100, "body": 100, "eager": 20}


def main() -> None:
    arguments = parse_arguments()
    if not torch.cuda.is_available():
        raise SystemExit(
            f"error: torch {torch.__version__} finds no CUDA device, which this benchmark measures"
        )
    with Record(arguments, show, figures, device={}, numbers=[], times=[]) as record, Aside("it") as aside:
        for kind, radius in product(TYPES, RADII):
            numbers: Found = {"type": kind, "radius": radius}
            with record.attempt(f"{kind}, radius {radius}", numbers, record.results["numbers"]):
                numbers["of_allowed"] = aside.run(check, kind, radius)
                if not numbers["of_allowed"] <= 1:
                    raise EngineError(f"{numbers['of_allowed']:.3g} of what one rounding allows")
        with record.attempt("the device's bandwidth", record.results):
            record.results["device"] = aside.run(describe_device, DEVICE)
            record.results["bandwidth"] = aside.run(copy_bandwidth, DEVICE)
        for grid, kind in product(GRIDS, TYPES):
            times: Found = {"grid": grid, "type": kind}
            with record.attempt(f"{grid}, {kind}", times, record.results["times"]):
                times |= aside.run(measure, kind, grid, arguments.rounds)
                bandwidth = record.results.get("bandwidth")
                times["floor_microseconds"] = 1e6 * times["bytes"] / bandwidth if bandwidth else None


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--rounds", type=int, default=25, help="turns of each (default: %(default)s)")
    return parser.parse_args()


@cache
def loaded_kernel() -> CorrelationKernel:
    """The kernel in this process' context, which torch makes."""
    torch.zeros(1, device="cuda")
    torch.backends.cuda.matmul.allow_tf32 = False
    return CorrelationKernel()


def check(kind: str, radius: int) -> float:
    kernel = loaded_kernel()
    worst = 0.0
    for shape in SHAPES:
        first, second = make_features(shape, kind)
        volume = empty_volume(first, radius)
        volume.fill_(torch.nan)
        launch(kernel, first, second, volume, kind, radius)
        expected = correlate_bands(first.double(), second.double(), radius)
        allowed = expected.abs() * torch.finfo(TYPES[kind]).eps / 2 + 1e-5
        share = (volume.double() - expected).abs() / allowed
        # NaN, which nothing may leave behind, is worse than any number.
        worst = max(worst, share.nan_to_num(nan=float("inf")).max().item())
    return worst


def measure(kind: str, grid: str, rounds: int) -> Found:
    kernel = loaded_kernel()
    first, second = make_features((1, CHANNELS, *GRIDS[grid]), kind)
    volume = empty_volume(first, RADIUS)

    def run_kernel() -> None:
        launch(kernel, first, second, volume, kind, RADIUS)

    def run_body() -> None:
        correlate_bands(first, second, RADIUS)

    def run_eager() -> None:
        for _ in range(REPEATS["eager"]):
            run_body()

    work: dict[str, Run] = {
        "kernel": repeated(run_kernel, REPEATS["kernel"], DEVICE),
        "body": repeated(run_body, REPEATS["body"], DEVICE),
        "eager": run_eager,
    }
    return {
        "microseconds": microseconds_in_turns(work, REPEATS, rounds, DEVICE),
        "bytes": sum(tensor.nbytes for tensor in (first, second, volume)),
    }


def make_features(shape: tuple[int, ...], kind: str) -> tuple[Tensor, Tensor]:
    generator = torch.Generator("cuda").manual_seed(0)
    first, second = torch.randn(2, *shape, device="cuda", generator=generator).to(TYPES[kind])
    return first, second


def empty_volume(first: Tensor, radius: int) -> Tensor:
    batch, _, height, width = first.shape
    return first.new_empty(batch, (2 * radius + 1) ** 2, height, width)


def launch(
    kernel: CorrelationKernel, first: Tensor, second: Tensor, volume: Tensor, kind: str, radius: int
) -> None:
    batch, channels, height, width = first.shape
    addresses = (first.data_ptr(), second.data_ptr(), volume.data_ptr())
    features = Features(*addresses, (batch, channels, height, width), kind, radius)
    kernel.launch(features, torch.cuda.current_stream().cuda_stream)


def show(results: dict[str, Any]) -> None:
    print(f"\nworst difference: {worst_difference(results)}")
    header = ("grid", "type", *(f"{name} us" for name in (*REPEATS, "floor")))
    print_table(
        header,
        [
            row(found, (found["grid"], found["type"]), header, partial(cells, found))
            for found in results["times"]
        ],
    )


def cells(found: Found) -> list[str]:
    times = [f"{found['microseconds'][name]['median']:.1f}" for name in REPEATS]
    least = found["floor_microseconds"]
    return [*times, "-" if least is None else f"{least:.1f}"]


def worst_difference(results: dict[str, Any]) -> str:
    failed = [
        f"{found['type']}, radius {found['radius']}, {missing(found)}"
        for found in results["numbers"]
        if missing(found)
    ]
    if failed or not results["numbers"]:
        return "; ".join(failed) or "not measured"
    worst = max(results["numbers"], key=lambda found: found["of_allowed"])
    known = f"{len(results['numbers'])} of {len(TYPES) * len(RADII)} types and radii"
    return f"{worst['of_allowed']:.2f} of the allowed, {worst['type']}, radius {worst['radius']} ({known})"


def figures(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "worst difference", worst_difference(results)
    for found in results["times"]:
        yield f"{found['grid']} {found['type']}", missing(found) or figure(found)


def figure(found: Found) -> str:
    times = zip((*REPEATS, "floor"), cells(found), strict=True)
    return "us: " + ", ".join(f"{name} {text}" for name, text in times)


if __name__ == "__main__":
    main()
