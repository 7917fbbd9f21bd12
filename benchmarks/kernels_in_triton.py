"""The Triton kernels on a GPU: their numbers for every type and odd shapes, and their time.

Numbers: against the reference in float64, from the same rounded inputs; the largest difference as a multiple
of what one rounding to the type allows.

Time of each sampling and of the cost volume of one pair, features and what is computed in NHWC, at the grids
of the frames, beside the same operation

- "compiled": as torch.compile makes it of the reference, which is what it would be without the kernel;
- "floor": what reading each input once and writing the result once takes at the bandwidth that copying 1 GiB
  shows here. What fits the GPU's cache may even be below it.

Kernel and compiled are replayed from CUDA graphs in turns, 20 times a turn; a number is the median over
rounds. "tiles" is the largest sampling of each size with its work cut up in other ways, for whoever tunes
the kernel.

With --device cpu it tries itself out in Triton's interpreter and without a compiler; the figures then say
nothing, and bfloat16 is allowed two roundings, since the interpreter cuts it off.

Needs torch and Triton; a GPU unless --device says cpu.
Run: python benchmarks/kernels_in_triton.py
"""

import argparse
import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any, Final

import torch
from torch import Tensor

from aside import Aside
from ceilings import TYPES, copy_bandwidth, describe_device
from dinoflow_deploy.bundles.input_range import STRIDE
from dinoflow_deploy.errors import EngineError
from dinoflow_deploy.train.model.correlation import correlate_bands
from dinoflow_deploy.train.model.dysample import DySample, dysample
from recording import (
    Found,
    Record,
    argument_parser,
    missing,
    print_table,
    row,
    size_argument,
    size_text,
)
from turns import Run, microseconds_in_turns, repeated

SIZES: Final = [(448, 1024), (1088, 1920)]
SCALES: Final = {"1/8": 1, "1/4": 2, "1/2": 4, "full": 8}
"""Side of each sampling's input over that of the stride-16 grid, by its output's side to the frame's."""
CORRELATION: Final = "cost volume"
GROUPS: Final = 4
RADIUS: Final = 4
ODD_SHAPES: Final = ((1, 4, 1, 1), (2, 12, 3, 5), (1, 100, 1, 17))
TILES: Final = ((2, 8, 32, 4), (4, 8, 32, 4), (4, 8, 32, 8), (2, 8, 16, 4), (2, 8, 64, 4), (2, 8, 64, 2))
"""Rows and columns of cells, channels, warps; the first is what the kernel does."""
TIMES: Final = 20
NAMES: Final = ("kernel", "compiled")


def main() -> None:
    arguments = parse_arguments()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            f"error: torch {torch.__version__} finds no CUDA device; --device cpu tries this out"
        )
    if device.type == "cpu":
        # Read when Triton is imported, in the process that does the work.
        os.environ["TRITON_INTERPRET"] = "1"
    results: Found = {"device": {}, "numbers": [], "times": [], "tiles": []}
    with Record(arguments, show, figures, **results) as record, Aside("it") as aside:
        for name, kind in product(("dysample", "correlation"), TYPES):
            numbers: Found = {"kernel": name, "type": kind}
            with record.attempt(f"{name}, {kind}", numbers, record.results["numbers"]):
                numbers["of_allowed"] = aside.run(check, name, kind, device)
                if not numbers["of_allowed"] <= allowed_roundings(kind, device):
                    raise EngineError(f"{numbers['of_allowed']:.3g} of what one rounding allows")
        with record.attempt("the device's bandwidth", record.results):
            record.results["device"] = aside.run(describe_device, device)
            record.results["bandwidth"] = aside.run(copy_bandwidth, device)
        settings = (arguments.channels, arguments.rounds, device)
        for size, kind, what in product(arguments.sizes, arguments.types, (*reversed(SCALES), CORRELATION)):
            times: Found = {"size": size, "type": kind, "what": what}
            with record.attempt(f"{size_text(size)} {kind}, {what}", times, record.results["times"]):
                times |= aside.run(measure, what, kind, size, *settings)
                bandwidth = record.results.get("bandwidth")
                times["floor_microseconds"] = 1e6 * times["bytes"] / bandwidth if bandwidth else None
        for size, kind in product(arguments.sizes, arguments.types):
            tiles: Found = {"size": size, "type": kind}
            with record.attempt(f"{size_text(size)} {kind}, tiles", tiles, record.results["tiles"]):
                tiles |= aside.run(measure_tiles, kind, size, *settings)


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--sizes", nargs="+", type=size_argument, default=SIZES, metavar="HxW")
    parser.add_argument("--types", nargs="+", choices=TYPES, default=["bf16", "fp16"])
    parser.add_argument("--channels", type=int, default=256, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each (default: %(default)s)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    return parser.parse_args()


def allowed_roundings(kind: str, device: torch.device) -> int:
    return 2 if (kind, device.type) == ("bf16", "cpu") else 1


def check(name: str, kind: str, device: torch.device) -> float:
    """The worst difference of a kernel, as a multiple of one rounding."""
    worst = 0.0
    for shape in ODD_SHAPES:
        if name == "dysample":
            inputs = sampling_inputs(shape, kind, device)
            found, expected = by_kernel(inputs), dysample(*precise(inputs))
            # Features up to 4, read at positions of which float32 knows a millionth.
            allowed = expected.abs() * torch.finfo(TYPES[kind]).eps / 2 + 5e-5
        else:
            first, second = draw(shape, kind, device), draw(shape, kind, device)
            found = correlate(first, second)
            expected = correlate_bands(first.double(), second.double(), RADIUS)
            allowed = expected.abs() * torch.finfo(TYPES[kind]).eps / 2 + 1e-5
        share = (found.double() - expected).abs() / allowed
        # NaN, which nothing may leave behind, is worse than any number.
        worst = max(worst, share.nan_to_num(nan=float("inf")).max().item())
    return worst


def measure(
    what: str, kind: str, size: tuple[int, int], channels: int, rounds: int, device: torch.device
) -> Found:
    """Time of one operation by its kernel and by what torch.compile makes of the reference."""
    shape = (1, channels, *grid(size, SCALES.get(what, 1)))
    run_kernel: Run
    run_compiled: Run
    if what == CORRELATION:
        inputs: tuple[Any, ...] = (draw(shape, kind, device), draw(shape, kind, device))
        run_kernel = partial(correlate, *inputs)
        run_compiled = partial(compiled(correlate_bands, device), *inputs, RADIUS)
    else:
        inputs = sampling_inputs(shape, kind, device)
        run_kernel = partial(by_kernel, inputs)
        run_compiled = partial(compiled(dysample, device), *inputs)
    with torch.inference_mode():
        runs = zip(NAMES, (run_kernel, run_compiled), strict=True)
        work = {name: repeated(run, times_on(device), device) for name, run in runs}
        result = run_compiled()
        microseconds = microseconds_in_turns(work, dict.fromkeys(NAMES, times_on(device)), rounds, device)
    moved = [each for each in (*inputs, result) if isinstance(each, Tensor)]
    return {"microseconds": microseconds, "bytes": sum(tensor.nbytes for tensor in moved)}


def compiled(reference: Callable[..., Tensor], device: torch.device) -> Callable[..., Tensor]:
    return torch.compile(reference, dynamic=False) if device.type == "cuda" else reference


def measure_tiles(
    kind: str, size: tuple[int, int], channels: int, rounds: int, device: torch.device
) -> Found:
    """Time of the largest sampling with its work cut up in each way."""
    from dinoflow_deploy.export.kernels.dysample import Tile

    inputs = sampling_inputs((1, channels, *grid(size, max(SCALES.values()))), kind, device)
    times = times_on(device)
    with torch.inference_mode():
        work = {
            tile_text(tile): repeated(partial(by_kernel, inputs, Tile(*tile)), times, device)
            for tile in TILES
        }
        return {"microseconds": microseconds_in_turns(work, dict.fromkeys(work, times), rounds, device)}


def grid(size: tuple[int, int], scale: int) -> tuple[int, int]:
    """Cells of a feature whose sides are so many times those of the stride-16 grid."""
    height, width = size
    return height // STRIDE * scale, width // STRIDE * scale


def times_on(device: torch.device) -> int:
    return TIMES if device.type == "cuda" else 1


def tile_text(tile: tuple[int, int, int, int]) -> str:
    rows, columns, channels, warps = tile
    return f"{rows}x{columns}x{channels}, {warps} warps"


def draw(shape: tuple[int, ...], kind: str, device: torch.device) -> Tensor:
    values = torch.randn(shape, device=device).to(TYPES[kind])
    return values.contiguous(memory_format=torch.channels_last)


def sampling_inputs(shape: tuple[int, int, int, int], kind: str, device: torch.device) -> tuple[Any, ...]:
    """Feature, offset, scope, regular positions, groups and scale; offsets reach a cell or two."""
    batch, channels, *sides = shape
    module = DySample(channels, GROUPS)
    field = (batch, 2 * GROUPS * module.scale**2, *sides)
    drawn = [draw(each, kind, device) for each in (shape, field, field)]
    return *drawn, module.init_pos.to(device), GROUPS, module.scale


def precise(inputs: tuple[Any, ...]) -> list[Any]:
    return [each.double() if isinstance(each, Tensor) else each for each in inputs]


def by_kernel(inputs: tuple[Any, ...], *tile: Any) -> Tensor:
    # Not before the interpreter was asked for.
    from dinoflow_deploy.export.kernels.dysample import launch

    return launch(*inputs, *tile)


def correlate(first: Tensor, second: Tensor) -> Tensor:
    from dinoflow_deploy.export.kernels.correlation import launch

    return launch(first, second, RADIUS)


def show(results: dict[str, Any]) -> None:
    print(f"\nworst difference: {worst_difference(results)}")
    header = ("size", "type", "what", *(f"{name} us" for name in (*NAMES, "floor")), "times the floor")
    print_table(
        header,
        [
            row(
                found, (size_text(found["size"]), found["type"], found["what"]), header, partial(cells, found)
            )
            for found in results["times"]
        ],
    )
    header = ("largest sampling", "type", *map(tile_text, TILES))
    print_table(
        header,
        [
            row(found, (size_text(found["size"]), found["type"]), header, partial(tile_cells, found))
            for found in results["tiles"]
        ],
    )


def cells(found: Found) -> list[str]:
    median = {name: found["microseconds"][name]["median"] for name in NAMES}
    least = found["floor_microseconds"]
    beside = ["-", "-"] if least is None else [f"{least:.1f}", f"{median['kernel'] / least:.1f}"]
    return [*(f"{median[name]:.1f}" for name in NAMES), *beside]


def tile_cells(found: Found) -> list[str]:
    return [f"{found['microseconds'][tile_text(tile)]['median']:.1f}" for tile in TILES]


def worst_difference(results: dict[str, Any]) -> str:
    failed = [
        f"{found['kernel']} {found['type']}, {missing(found)}"
        for found in results["numbers"]
        if missing(found)
    ]
    if failed or not results["numbers"]:
        return "; ".join(failed) or "not measured"
    worst = max(results["numbers"], key=lambda found: found["of_allowed"])
    return f"{worst['of_allowed']:.2f} of the allowed, {worst['kernel']}, {worst['type']}"


def figures(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "worst difference", worst_difference(results)
    for found in results["times"]:
        named = f"{size_text(found['size'])} {found['type']} {found['what']}"
        yield named, missing(found) or figure(found)


def figure(found: Found) -> str:
    kernel, compiled, least, _ = cells(found)
    return f"us: kernel {kernel}, compiled {compiled}, floor {least}"


if __name__ == "__main__":
    main()
