"""A model that takes frames of bytes beside the same one that takes float images, on the CPU, in turns.

Each form is a bundle of its own, exported here; engines are in one process and take turns, one call each, so
that whatever else the machine does meets all of them alike. "ratio" is the median over the calls of the
float images' time over this one's; a call is what a user calls, from two uint8 frames to flow.

Run: python benchmarks/input_forms.py
"""

import argparse
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from dinoflow_deploy import load_engine
from dinoflow_deploy.bench.engine_process import Call, timed_call
from dinoflow_deploy.bundles.model_input import MODEL_INPUTS
from dinoflow_deploy.engines import FlowEngine
from dinoflow_deploy.export import ExportOptions, export_bundle
from recording import Found, Record, argument_parser, print_table, row, size_argument, spread

BACKENDS: Final = ("onnxruntime", "openvino")
STAGES: Final = ("prepare", "infer", "finish")
WARM_UP: Final = 2
"""Calls that do not count."""


def main() -> None:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--size", type=size_argument, default=(448, 1024), metavar="HxW")
    parser.add_argument("--calls", type=int, default=20, help="of each engine (default: %(default)s)")
    arguments = parser.parse_args()
    with (
        Record(arguments, show, results=[]) as record,
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as engines,
    ):
        opened = {}
        for form in MODEL_INPUTS:
            bundle = Path(folder) / form
            export_bundle(arguments.model, bundle, ExportOptions(model_input=form, verify=False))
            for backend in BACKENDS:
                found: Found = {"backend": backend, "input": form}
                with record.attempt(f"{backend}, {form}", found, record.results["results"]):
                    engine = engines.enter_context(load_engine(bundle, backend, "cpu"))
                    opened[backend, form] = engine, found
        take_turns(opened, arguments, record)


def take_turns(
    opened: dict[tuple[str, str], tuple[FlowEngine, Found]], arguments: argparse.Namespace, record: Record
) -> None:
    generator = np.random.default_rng(0)
    frames1, frames2 = generator.integers(0, 256, (2, 1, *arguments.size, 3), np.uint8)
    times: dict[tuple[str, str], list[Call]] = {key: [] for key in opened}
    for call in range(WARM_UP + arguments.calls):
        for key, (engine, _) in opened.items():
            taken = timed_call(engine, frames1, frames2)
            if call >= WARM_UP:
                times[key].append(taken)
    for (backend, form), (_, found) in opened.items():
        totals = [each.total for each in times[backend, form]]
        of_images = [each.total for each in times[backend, "images"]]
        found["milliseconds"] = spread([1000 * total for total in totals])
        found["stages"] = {
            stage: spread([1000 * getattr(each, stage) for each in times[backend, form]]) for stage in STAGES
        }
        found["ratio"] = spread([old / new for old, new in zip(of_images, totals, strict=True)])
    record.save()


def show(results: dict[str, Any]) -> None:
    header = ["backend", "input", *(f"{stage} ms" for stage in STAGES), "call ms", "ratio", "least to most"]
    print_table(
        header,
        [
            row(found, (found["backend"], found["input"]), header, partial(cells, found))
            for found in results["results"]
        ],
    )


def cells(found: Found) -> list[str]:
    ratio = found["ratio"]
    return [
        *(f"{found['stages'][stage]['median']:.2f}" for stage in STAGES),
        f"{found['milliseconds']['median']:.0f}",
        f"{ratio['median']:.2f}",
        f"{ratio['min']:.2f} to {ratio['max']:.2f}",
    ]


if __name__ == "__main__":
    main()
