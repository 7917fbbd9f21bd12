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
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from ceilings import TYPES, copy_bandwidth, describe_device, seconds_of
from dinoflow_deploy.export.plugin.kernel import CorrelationKernel, Features
from dinoflow_deploy.train.model.correlation import correlate_bands
from recording import argument_parser, print_table, spread, write_record

DEVICE: Final = torch.device("cuda", 0)
GRIDS: Final = {"Sintel 448x1024": (28, 64), "KITTI 384x1248": (24, 78), "1080p 1088x1920": (68, 120)}
SHAPES: Final = ((1, 1, 1, 1), (2, 3, 2, 5), (3, 7, 5, 1), (1, 33, 3, 34), (1, 70, 4, 65), (2, 256, 28, 64))
RADIUS: Final = 4
CHANNELS: Final = 256
REPEATS: Final = {"kernel": 100, "body": 100, "eager": 20}


def main() -> None:
    arguments = parse_arguments()
    if not torch.cuda.is_available():
        raise SystemExit(
            f"error: torch {torch.__version__} finds no CUDA device, which this benchmark measures"
        )
    torch.zeros(1, device="cuda")  # makes the context that the kernel is loaded into
    kernel = CorrelationKernel()
    torch.backends.cuda.matmul.allow_tf32 = False
    numbers = [check(kernel, kind, radius) for kind in TYPES for radius in range(1, 9)]
    bandwidth = copy_bandwidth(DEVICE)
    times = [measure(kernel, kind, grid, bandwidth, arguments.rounds) for grid in GRIDS for kind in TYPES]
    print_results(numbers, times)
    write_record(arguments, device=describe_device(DEVICE), bandwidth=bandwidth, numbers=numbers, times=times)
    if any(entry["of_allowed"] > 1 for entry in numbers):
        raise SystemExit("error: the kernel's numbers differ by more than one rounding")


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--rounds", type=int, default=25, help="turns of each (default: %(default)s)")
    return parser.parse_args()


def check(kernel: CorrelationKernel, kind: str, radius: int) -> dict[str, Any]:
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
    return {"type": kind, "radius": radius, "of_allowed": worst}


def measure(kernel: CorrelationKernel, kind: str, grid: str, bandwidth: float, rounds: int) -> dict[str, Any]:
    first, second = make_features((1, CHANNELS, *GRIDS[grid]), kind)
    volume = empty_volume(first, RADIUS)

    def run_kernel() -> None:
        launch(kernel, first, second, volume, kind, RADIUS)

    def run_body() -> None:
        correlate_bands(first, second, RADIUS)

    graphs = {"kernel": captured(run_kernel), "body": captured(run_body)}

    def run_eager() -> None:
        for _ in range(REPEATS["eager"]):
            run_body()

    work: dict[str, Callable[[], object]] = {name: graph.replay for name, graph in graphs.items()}
    work["eager"] = run_eager
    for run in work.values():
        run()
    turns = [
        {name: 1e6 * seconds_of(run, DEVICE) / REPEATS[name] for name, run in work.items()}
        for _ in range(rounds)
    ]
    bytes_moved = sum(tensor.nbytes for tensor in (first, second, volume))
    return {
        "grid": grid,
        "type": kind,
        "microseconds": {name: spread([turn[name] for turn in turns]) for name in work},
        "bytes": bytes_moved,
        "floor_microseconds": 1e6 * bytes_moved / bandwidth,
    }


def captured(run: Callable[[], None]) -> torch.cuda.CUDAGraph:
    """The work, as often as it is repeated, as one CUDA graph; run once before, so that all is loaded."""
    run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(REPEATS["kernel"]):
            run()
    return graph


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


def print_results(numbers: list[dict[str, Any]], times: list[dict[str, Any]]) -> None:
    worst = max(numbers, key=lambda entry: entry["of_allowed"])
    where = f"{worst['type']}, radius {worst['radius']}"
    print(f"\nworst difference: {worst['of_allowed']:.2f} of the allowed, {where}")
    print_table(
        ("grid", "type", *(f"{name} us" for name in (*REPEATS, "floor"))),
        [
            (
                entry["grid"],
                entry["type"],
                *(f"{entry['microseconds'][name]['median']:.1f}" for name in REPEATS),
                f"{entry['floor_microseconds']:.1f}",
            )
            for entry in times
        ],
    )


if __name__ == "__main__":
    main()
