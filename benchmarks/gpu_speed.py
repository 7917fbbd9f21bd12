"""The forward pass on a GPU, by PyTorch, its compilers and ONNX Runtime, and where the GPU's time goes.

A pass goes from float32 images in the GPU's memory to float32 flow there: no copies to the host, no padding.
Weights are random, since speed does not depend on them. Each variant lives in a process of its own, so that
one that fails is alone in that. For each size all variants are loaded one after the other, checked against
"eager-fp32", and timed once. Then they take turns for a number of rounds, each computing for a while, twice:
one pair after the other, waiting for each (latency), and without waiting in between (pairs per second). The
first time counts only until there is a round. TF32 is off. The record is written after each step.

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
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch

from aside import Aside
from ceilings import TYPES, describe_device, floor, measure_ceilings, part_floor
from dinoflow_deploy.system.worker_process import WorkerProcess
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, save_model
from forward_passes import VARIANTS, Variant, export_for, obstacle, pytorch_model
from model_parts import SIZES, PartTimer, count_work, group
from pass_process import LoadedPass, Turn, make_images, reference_flow, settle
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

BY_PART: Final = "channels-last-bf16"


def main() -> None:
    arguments = parse_arguments()
    device = chosen_device(arguments.device)
    with (
        Record(arguments, show, figures, device={}, ceilings={}, results=[], parts=[]) as record,
        Aside("gpu_speed") as aside,
        tempfile.TemporaryDirectory() as folder,
    ):
        weights = Path(folder) / "model.safetensors"
        torch.manual_seed(0)
        save_model(FlowModel(FlowModelConfig(arguments.model)).eval(), weights)
        ceilings: Found = {}
        with record.attempt("measuring what the device can do", ceilings):
            record.results["device"] = aside.run(describe_device, device)
            ceilings |= aside.run(measure_ceilings, device)
        record.results["ceilings"] = ceilings
        for size in arguments.sizes:
            Measurement(size, weights, device, arguments, record, aside).run()


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--model", default="vits16", help="(default: %(default)s)")
    parser.add_argument("--sizes", nargs="+", type=size_argument, default=SIZES, metavar="HxW")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a turn (default: %(default)s)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    return parser.parse_args()


def chosen_device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            f"error: torch {torch.__version__} finds no CUDA device; --device cpu tries this out"
        )
    return torch.device(name, 0)


class Measurement:
    """All variants at one size."""

    def __init__(
        self,
        size: tuple[int, int],
        weights: Path,
        device: torch.device,
        arguments: argparse.Namespace,
        record: Record,
        aside: Aside,
    ) -> None:
        self.size = size
        self.weights = weights
        self.device = device
        self.arguments = arguments
        self.record = record
        self.aside = aside
        self.expected = weights.with_name(f"flow-{size_text(size)}.npy")
        self.work: dict[str, dict[str, dict[str, int]]] = {}

    def run(self) -> None:
        """Check and time the variants, then the parts of one."""
        reference: Found = {"size": self.size, "variant": "the reference"}
        with self.record.attempt(f"the reference at {size_text(self.size)}", reference):
            self.work = {kind: count_work(self.arguments.model, self.size, TYPES[kind]) for kind in TYPES}
            self.aside.run(reference_flow, self.weights, self.size, self.device, self.expected)
        if missing(reference):
            self.record.results["results"].append(reference)
        runnable = list(self.runnable())
        with ExitStack() as stack:
            workers = {variant: self.started(variant, stack) for variant in runnable}
            self.take_turns(dict(self.loaded(workers)))
        parts: Found = {"size": self.size, "variant": BY_PART}
        with self.record.attempt("timing the parts", parts, self.record.results["parts"]):
            parts |= self.aside.run(part_milliseconds, self.weights, self.size, self.device)
            parts["floor_ms"] = self.part_floors(parts["ms"])

    def runnable(self) -> Iterator[Variant]:
        """The variants that nothing stands against here; the others are listed with the reason."""
        for name in self.arguments.variants:
            found: Found = {"size": self.size, "variant": name}
            with self.record.attempt(name, found):
                problem = self.aside.run(obstacle, VARIANTS[name], self.device)
                if problem is None:
                    yield VARIANTS[name]
                    continue
                found["not_run"] = problem
            self.record.results["results"].append(found)

    def started(self, variant: Variant, stack: ExitStack) -> WorkerProcess:
        """A process that imports what it needs while others do."""
        worker = WorkerProcess(variant.name, LoadedPass, variant, self.size, self.device)
        stack.callback(worker.kill)
        return worker

    def loaded(
        self, workers: dict[Variant, WorkerProcess]
    ) -> Iterator[tuple[str, tuple[WorkerProcess, Found]]]:
        """Load the variants, check their flow and time each once."""
        for variant, worker in workers.items():
            found: Found = {"size": self.size, "variant": variant.name}
            with self.record.attempt(variant.name, found, self.record.results["results"]):
                # A file of these shapes, made where it can harm nothing.
                source = self.aside.run(export_for, variant, self.weights, self.size, self.device)
                found |= worker.call("load", source, self.expected)
                found["floor_ms"] = self.floor_ms(variant)
                found |= summary([worker.call("turn", self.arguments.seconds)])
            if not missing(found):
                yield variant.name, (worker, found)

    def take_turns(self, passes: dict[str, tuple[WorkerProcess, Found]]) -> None:
        """Time the variants that were loaded, in turns."""
        turns: dict[str, list[Turn]] = {name: [] for name in passes}
        for _ in range(self.arguments.rounds):
            for name, (worker, found) in passes.items():
                if missing(found):
                    continue
                with self.record.attempt(name, found):
                    turns[name].append(worker.call("turn", self.arguments.seconds))
                    found |= summary(turns[name])

    def floor_ms(self, variant: Variant) -> float | None:
        """Least milliseconds of a variant, where the device's rates are known."""
        ceilings = self.record.results["ceilings"]
        return (
            None
            if missing(ceilings) or not self.work
            else 1000 * floor(self.work, variant.precision, ceilings)
        )

    def part_floors(self, names: Iterable[str]) -> dict[str, float | None]:
        """The same of each part."""
        ceilings, kind = self.record.results["ceilings"], VARIANTS[BY_PART].precision
        if missing(ceilings) or not self.work:
            return dict.fromkeys(names)
        return {name: 1000 * part_floor(self.work[kind][name], kind, ceilings) for name in names}


def summary(turns: list[Turn]) -> Found:
    return {
        "rounds": len(turns),
        "latency_ms": spread([1000 * taken for latencies, _ in turns for taken in latencies]),
        "pairs_per_second": spread([rate for _, rate in turns]),
    }


def part_milliseconds(weights: Path, size: tuple[int, int], device: torch.device) -> Found:
    """Where an eager pass spends its time."""
    settle()
    model = pytorch_model(VARIANTS[BY_PART], weights, device)
    group(model)
    timer = PartTimer(model)
    images = make_images(size, device)
    with torch.inference_mode():
        calls = [timer.of_call(partial(model, *images)) for _ in range(13)][3:]
    return {"ms": {name: median(call[name] for call in calls) for name in calls[0]}}


def show(results: dict[str, Any]) -> None:
    header = ("size", "variant", "ms", "least to most", "pairs/s", "floor ms", "MiB", "difference", "start s")
    print_table(
        header,
        [
            row(found, (size_text(found["size"]), found["variant"]), header, partial(cells, found))
            for found in results["results"]
        ],
    )
    for found in results["parts"]:
        if not missing(found):
            print_parts(found)


def cells(found: Found) -> tuple[str, ...]:
    latency, memory, least = found["latency_ms"], found["memory_bytes"], found["floor_ms"]
    return (
        f"{latency['median']:.2f}",
        f"{latency['min']:.2f} to {latency['max']:.2f}",
        f"{found['pairs_per_second']['median']:.1f}",
        "-" if least is None else f"{least:.2f}",
        "-" if memory is None else f"{memory / 2**20:.0f}",
        "-" if found["difference"] is None else f"{found['difference']:.1e}",
        f"{found['start_seconds']:.1f}",
    )


def figures(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for found in results["results"]:
        yield f"{size_text(found['size'])} {found['variant']}", missing(found) or figure(found)


def figure(found: Found) -> str:
    least = "" if found["floor_ms"] is None else f", floor {found['floor_ms']:.2f}"
    return (
        f"{found['latency_ms']['median']:.2f} ms{least}, "
        f"{found['pairs_per_second']['median']:.0f} pairs/s, {found['rounds']} rounds"
    )


def print_parts(found: dict[str, Any]) -> None:
    total = sum(found["ms"].values())
    print_table(
        (f"{size_text(found['size'])}, {found['variant']}", "ms", "share", "floor ms", "times the floor"),
        [
            (name, f"{ms:.3f}", f"{ms / total:.1%}", *beside_floor(ms, found["floor_ms"][name]))
            for name, ms in found["ms"].items()
        ],
    )


def beside_floor(milliseconds: float, least: float | None) -> tuple[str, str]:
    if least is None:
        return "-", "-"
    return f"{least:.3f}", f"{milliseconds / least:.1f}" if least else "-"


if __name__ == "__main__":
    main()
