"""The forward pass on a GPU, by PyTorch and ONNX Runtime, beside what the GPU could do; and where time goes.

A pass goes from float32 images in the GPU's memory to float32 flow there: no copies to the host, no padding.
Weights are random, since speed does not depend on them. For each size all variants are loaded, and checked
against "eager-fp32". Then they take turns for a number of rounds, each computing for a while, twice: one pair
after the other, waiting for each (latency), and without waiting in between (pairs per second). TF32 is off.

- "memory": what a variant takes of the GPU beyond CUDA and its libraries: weights, features, workspace.
- "floor": for each part of the model, the longer of two times: its operations at the rate that a large matrix
  product reaches here in the same type, and its bytes at the bandwidth that copying 1 GiB shows, inputs and
  outputs of the part moved once; added up (see work_by_part.py).
- "parts": time between CUDA events around each part, of an eager variant, in calls of their own.
- "kernels": what torch's profiler says of one call of each PyTorch variant.

With --device cpu the same on a CPU, to try out the script. Operations and bytes alone: work_by_part.py.

Run: python benchmarks/gpu_speed.py
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from ceilings import TYPES, describe_device, floor, measure_ceilings, part_floor
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, save_model
from forward_passes import (
    VARIANTS,
    ForwardPass,
    PyTorchPass,
    Variant,
    obstacle,
    open_pass,
    pytorch_model,
)
from model_parts import SIZES, PartTimer, count_work, group
from recording import argument_parser, print_table, size_argument, size_text, spread, write_record

REFERENCE: Final = "eager-fp32"
BY_PART: Final = "channels-last-bf16"
ALLOWED: Final = {"fp32": 0.001, "fp16": 0.02, "bf16": 0.1}
"""Largest relative difference of the flow from the reference's, as norms: roundings, not mistakes."""
KERNELS: Final = 12


def main() -> None:
    arguments = parse_arguments()
    device = open_device(arguments.device)
    work = {
        size: {precision: count_work(arguments.model, size, TYPES[precision]) for precision in TYPES}
        for size in arguments.sizes
    }
    ceilings = measure_ceilings(device)
    results: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "model.safetensors"
        torch.manual_seed(0)
        save_model(FlowModel(FlowModelConfig(arguments.model)).eval(), weights)
        for size in arguments.sizes:
            results += measure(size, weights, work[size], ceilings, device, arguments)
            parts.append(measure_parts(size, weights, work[size], ceilings, device))
    print_results(results)
    for found in parts:
        print_parts(found)
    write_record(arguments, device=describe_device(device), ceilings=ceilings, results=results, parts=parts)


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--model", default="vits16", help="(default: %(default)s)")
    parser.add_argument("--sizes", nargs="+", type=size_argument, default=SIZES, metavar="HxW")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a turn (default: %(default)s)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    return parser.parse_args()


def open_device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            f"error: torch {torch.__version__} finds no CUDA device; --device cpu tries this out"
        )
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    return torch.device(name, 0)


def measure(
    size: tuple[int, int],
    weights: Path,
    work: dict[str, Any],
    ceilings: dict[str, float],
    device: torch.device,
    arguments: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Every variant at one size: flow checked, then timed in turns."""
    torch.compiler.reset()
    images = make_images(size, device)
    reference = open_pass(VARIANTS[REFERENCE], weights, weights.parent, images)
    reference.start()
    expected = reference.flow.double()
    results, passes = [], {}
    for name in arguments.variants:
        variant = VARIANTS[name]
        found: dict[str, Any] = {"size": size, "variant": name}
        results.append(found)
        problem = obstacle(variant, device)
        if problem:
            found["not_run"] = problem
            continue
        passes[name], found["memory_bytes"], found["start_seconds"] = loaded(variant, weights, images)
        found["difference"] = check(variant, passes[name].flow, expected)
        found["floor_ms"] = 1000 * floor(work, variant.precision, ceilings)
        found["kernels"] = kernels(passes[name])
    turns = [
        {name: turn(passed, arguments.seconds) for name, passed in passes.items()}
        for _ in range(arguments.rounds)
    ]
    for found in results:
        rounds = [done[found["variant"]] for done in turns if found["variant"] in done]
        if rounds:
            found["latency_ms"] = spread([1000 * taken for latencies, _ in rounds for taken in latencies])
            found["pairs_per_second"] = spread([rate for _, rate in rounds])
    return results


def make_images(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    generator = torch.Generator(device).manual_seed(0)
    image1, image2 = torch.rand(2, 1, 3, *size, device=device, generator=generator)
    return image1, image2


def loaded(
    variant: Variant, weights: Path, images: tuple[Tensor, Tensor]
) -> tuple[ForwardPass, int | None, float]:
    """A variant that has run three times, the memory that it took, and the seconds until then."""
    before = free_memory(images[0].device)
    began = time.perf_counter()
    passed = open_pass(variant, weights, weights.parent, images)
    for _ in range(2):
        passed.start()
        passed.wait()
    seconds = time.perf_counter() - began
    # Without what trying out algorithms took.
    free_memory(images[0].device)
    passed.flow.fill_(torch.nan)
    passed.start()
    passed.wait()
    after = free_memory(images[0].device, keep_cache=True)
    return passed, None if before is None or after is None else before - after, seconds


def free_memory(device: torch.device, *, keep_cache: bool = False) -> int | None:
    if device.type == "cpu":
        return None
    torch.cuda.synchronize(device)
    if not keep_cache:
        torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    return int(free)


def check(variant: Variant, flow: Tensor, expected: Tensor) -> float:
    """Relative difference of a flow from the expected one, which must be no more than rounding."""
    difference = float((flow.double() - expected).norm() / expected.norm())
    if not difference <= ALLOWED[variant.precision]:
        raise SystemExit(
            f"error: the flow of {variant.name} differs by {difference:.2g} of its norm, "
            f"more than {ALLOWED[variant.precision]}"
        )
    return difference


def turn(passed: ForwardPass, seconds: float) -> tuple[list[float], float]:
    """Latencies of pairs that are waited for, and pairs per second without waiting."""
    passed.start()
    passed.wait()
    latencies: list[float] = []
    while not latencies or sum(latencies) < seconds:
        began = time.perf_counter()
        passed.start()
        passed.wait()
        latencies.append(time.perf_counter() - began)
    began = time.perf_counter()
    for _ in latencies:
        passed.start()
    passed.wait()
    return latencies, len(latencies) / (time.perf_counter() - began)


def kernels(passed: ForwardPass) -> list[dict[str, Any]] | None:
    """What the device did in one call, the longest first; torch's profiler sees torch's work alone."""
    if not isinstance(passed, PyTorchPass):
        return None
    cuda = passed.flow.is_cuda
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as profiler:
        passed.start()
        passed.wait()
    events = [
        {
            "name": event.key,
            "count": event.count,
            "ms": (event.self_device_time_total if cuda else event.self_cpu_time_total) / 1000,
        }
        for event in profiler.key_averages()
    ]
    return sorted(events, key=lambda event: -event["ms"])[:KERNELS]


def measure_parts(
    size: tuple[int, int],
    weights: Path,
    work: dict[str, Any],
    ceilings: dict[str, float],
    device: torch.device,
) -> dict[str, Any]:
    """Where an eager pass spends its time, beside the floor of each part."""
    variant = VARIANTS[BY_PART]
    model = pytorch_model(variant, weights, device)
    group(model)
    timer = PartTimer(model)
    images = make_images(size, device)
    with torch.inference_mode():
        calls = [timer.of_call(lambda: model(*images)) for _ in range(13)][3:]
    milliseconds = {name: median(call[name] for call in calls) for name in calls[0]}
    floors = {
        name: 1000 * part_floor(part, variant.precision, ceilings)
        for name, part in work[variant.precision].items()
    }
    return {"size": size, "variant": variant.name, "ms": milliseconds, "floor_ms": floors}


def print_results(results: list[dict[str, Any]]) -> None:
    print_table(
        ("size", "variant", "ms", "least to most", "pairs/s", "floor ms", "MiB", "difference", "start s"),
        [result_row(found) for found in results],
    )


def result_row(found: dict[str, Any]) -> tuple[str, ...]:
    first = (size_text(found["size"]), found["variant"])
    if "not_run" in found:
        return (*first, *["-"] * 6, f"not run: {found['not_run']}")
    latency, memory = found["latency_ms"], found["memory_bytes"]
    return (
        *first,
        f"{latency['median']:.2f}",
        f"{latency['min']:.2f} to {latency['max']:.2f}",
        f"{found['pairs_per_second']['median']:.1f}",
        f"{found['floor_ms']:.2f}",
        "-" if memory is None else f"{memory / 2**20:.0f}",
        f"{found['difference']:.1e}",
        f"{found['start_seconds']:.1f}",
    )


def print_parts(found: dict[str, Any]) -> None:
    total = sum(found["ms"].values())
    print_table(
        (f"{size_text(found['size'])}, {found['variant']}", "ms", "share", "floor ms", "times the floor"),
        [
            (name, f"{ms:.3f}", f"{ms / total:.1%}", f"{least:.3f}", f"{ms / least:.1f}" if least else "-")
            for name, ms in found["ms"].items()
            for least in [found["floor_ms"][name]]
        ],
    )


if __name__ == "__main__":
    main()
