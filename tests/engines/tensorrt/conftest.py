from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.bundles.manifest import FileInfo
from dinoflow_deploy.tensorrt.plan_info import PlanInfo
from tests.small_bundles import WriteBundle, difference_model, make_manifest
from tests.tensorrt_model.building import Profile, build_bytes

WritePlan = Callable[..., Path]
PLAN_INPUTS = InputRange(AxisRange(1, 1, 4), AxisRange(64, 96, 256), AxisRange(64, 128, 256))
DYNAMIC: Profile = ((1, 64, 64), (1, 96, 128), (4, 256, 256))
STATIC: Profile = ((1, 96, 128), (1, 96, 128), (1, 96, 128))


def plan_bytes(*profiles: Profile, model: ModelProto | None = None, **changes: Any) -> bytes:
    """A plan of ``difference_model``, or of another model; ``changes`` are those of ``build_bytes``.

    One profile of one shape stands for a model that is exported for that shape.
    """
    if len(profiles) == 1 and len(set(profiles[0])) == 1 and model is None:
        (batch, height, width), *_ = profiles[0]
        onnx = difference_model(shape=(batch, 3, height, width)).SerializeToString()
        return build_bytes(onnx, **changes)
    onnx = (model or difference_model()).SerializeToString()
    if model is not None and not profiles and _is_static(model):
        return build_bytes(onnx, **changes)
    return build_bytes(onnx, *(profiles or (DYNAMIC,)), **changes)


def _is_static(model: ModelProto) -> bool:
    shapes = (value.type.tensor_type.shape for value in model.graph.input)
    return all(axis.HasField("dim_value") for shape in shapes for axis in shape.dim)


@pytest.fixture
def write_plan(tmp_path: Path) -> WritePlan:
    """Write a bare plan of these profiles; further arguments are those of ``plan_bytes``."""

    def write(*profiles: Profile, name: str = "difference.plan", **changes: Any) -> Path:
        path = tmp_path / name
        path.write_bytes(plan_bytes(*profiles, **changes))
        return path

    return write


@pytest.fixture
def write_planned(write_bundle: WriteBundle) -> WritePlan:
    """Write a bundle that holds a plan; ``plan`` is for ``plan_bytes``, the rest for ``PlanInfo``."""

    def write(
        name: str = "bundle",
        plan: dict[str, Any] | None = None,
        flavours: tuple[str, ...] = ("tensorrt",),
        **info: Any,
    ) -> Path:
        folder = write_bundle(name)
        infos = tuple(plan_info(flavour=each, file=f"{each}.plan", **info) for each in flavours)
        for each in infos:
            (folder / each.file).write_bytes(plan_bytes(**(plan or {})))
        files = {file: FileInfo.of(folder / file) for file in ("model.onnx", *(each.file for each in infos))}
        manifest = make_manifest(files, precision="fp16", plans=infos)
        (folder / "manifest.json").write_text(manifest.to_json())
        return folder

    return write


def plan_info(**changes: Any) -> PlanInfo:
    known: dict[str, Any] = {
        "file": "tensorrt.plan",
        "flavour": "tensorrt",
        "version": "11.4.0.106",
        "compute_capabilities": ("9.0",),
        "gpu": "NVIDIA GH200 480GB",
        "driver": "580.95",
        "inputs": PLAN_INPUTS,
        "plugin": "none",
        "hardware_compatibility": "none",
        "optimization_level": 3,
        "tools": {},
        "key": "0" * 64,
        "parity": None,
    }
    return PlanInfo(**known | changes)


def expected(frames1: np.ndarray, frames2: np.ndarray) -> np.ndarray:
    """The flow of ``difference_model``: (red, green) of the difference of the frames."""
    return (frames2.astype(np.float32) - frames1)[..., :2]
