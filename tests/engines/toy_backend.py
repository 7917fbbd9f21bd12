"""A backend of a few lines, with everything that a row can say."""

import numpy as np

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.engines.backend import Backend, Option, Package, Probe, Problem
from dinoflow_deploy.engines.base import EngineDescription, FlowEngine
from dinoflow_deploy.engines.kinds import ONNX, Kind

WRONG = Problem("the toy is wound up", "it runs", "let go")


class ToyEngine(FlowEngine):
    """The flow that its file names, everywhere; (0, 0) of a bundle."""

    def __init__(self, source, *, device="auto", convert_colors=False, swap=False, unit="px"):
        motion = [0.0, 0.0] if source.is_dir() else [float(word) for word in source.read_text().split()]
        self._motion = np.float32(motion[::-1] if swap else motion) * {"px": 1, "cells": 16}[unit]
        super().__init__(
            EngineDescription(
                source.stem, BACKEND.name, "cpu", "none", "fp32", str(source), InputRange.unlimited()
            ),
            convert_colors=convert_colors,
        )

    def _run(self, images1, images2):
        shape = (len(images1), 2, *images1.shape[2:])
        return np.ascontiguousarray(np.broadcast_to(self._motion[:, None, None], shape))


def probe():
    """Nothing can be wrong with the CPU, and everything with the GPU."""
    return {"toy on the CPU": None, "toy on CUDA": "no toy has a GPU"}


def repair(check):
    """The command for a check."""
    return f"mend {check}"


def problems(has_gpu):
    """Always one."""
    return [WRONG]


BACKEND = Backend(
    name="toy",
    runs=(Kind("toy", "a toy", (".toy",)), ONNX),
    devices=("cpu",),
    engine=f"{__name__}:ToyEngine",
    packages=(
        # A module that is always there, of a distribution that never is.
        Package(
            modules=("json",), title="toys", distributions=("toy-runtime",), enables="playing", extra="cpu"
        ),
    ),
    options=(
        Option("swap", "Swap u and v."),
        Option("unit", "What u and v are in.", ("px", "cells")),
        Option("speed"),
    ),
    probe=Probe(
        title="Toy",
        function=f"{__name__}:probe",
        checks={"cpu": "toy on the CPU", "cuda": "toy on CUDA"},
        repair=repair,
        problems=problems,
    ),
)
