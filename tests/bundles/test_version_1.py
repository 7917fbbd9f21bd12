"""Bundles that were written before artefacts were a list are read as if they were written today."""

import json
from pathlib import Path
from typing import Any

import pytest

from dinoflow_deploy.bundles.manifest import Manifest
from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.tensorrt.plan_info import PlanInfo

AXIS = {"min": 64, "opt": 64, "max": 128}
INPUTS = {"batch": {"min": 1, "opt": 1, "max": 1}, "height": AXIS, "width": AXIS}
PARITY = {
    "reference": "pytorch fp32 on cpu",
    "engine": "onnxruntime CPUExecutionProvider",
    "pairs": 6,
    "tolerance_px": 0.001,
    "mean_px": 1e-05,
    "p99_px": 2e-05,
    "max_px": 3e-05,
}
OPERATOR = {
    "radius": 4,
    "inline": False,
    "domain": "dinoflow",
    "name": "LocalCorrelation",
    "plugin_namespace": "dinoflow",
    "plugin_version": "1",
}
PLAN = {
    "file": "tensorrt.plan",
    "flavour": "tensorrt",
    "version": "10.16.1.11",
    "compute_capabilities": ["9.0"],
    "gpu": "NVIDIA GH200 480GB",
    "driver": "580.65.06",
    "inputs": INPUTS,
    "plugin": "cpp",
    "hardware_compatibility": "none",
    "optimization_level": 3,
    "key": "1" * 64,
    "parity": None,
}


def content(**changes: Any) -> dict[str, Any]:
    return {
        "format": "dinoflow-bundle",
        "format_version": 1,
        "model": {"name": "nano", "weights_sha256": "0" * 64, "config": {"backbone": "nano"}},
        "precision": "fp16",
        "inputs": INPUTS,
        "stride": 16,
        "normalisation": {"channel_order": "RGB", "range": [0.0, 1.0], "inside_model": True},
        "operator": OPERATOR,
        "opset": 21,
        "tools": {"torch": "2.13.0"},
        "parity": PARITY,
        "files": {name: {"bytes": 1, "sha256": "2" * 64} for name in ("model.onnx", "tensorrt.plan")},
        "plans": [PLAN],
        "key": "3" * 64,
    } | changes


def read(values: dict[str, Any]) -> Manifest:
    return Manifest.from_json(json.dumps(values), Path("manifest.json"))


def test_everything_in_it_is_kept() -> None:
    manifest = read(content())
    onnx, (plan,) = manifest.onnx, manifest.all_of(PlanInfo)
    assert (manifest.precision, manifest.format_version) == ("fp16", 2)
    assert (onnx.file, onnx.opset, onnx.tools, onnx.key) == ("model.onnx", 21, {"torch": "2.13.0"}, "3" * 64)
    assert (onnx.operator.radius, onnx.operator.inline) == (4, False)
    assert onnx.parity is not None
    assert (onnx.parity.max_px, onnx.parity.flow_px) == (3e-05, None)
    assert (onnx.inputs.height.min, onnx.inputs.height.max) == (64, 128)
    assert (plan.file, plan.version, plan.plugin, plan.key) == (
        "tensorrt.plan",
        "10.16.1.11",
        "cpp",
        "1" * 64,
    )
    assert (plan.compute_capabilities, plan.gpu, plan.parity) == (("9.0",), "NVIDIA GH200 480GB", None)
    assert plan.inputs == onnx.inputs


def test_it_is_written_again_in_the_present_version() -> None:
    manifest = read(content())
    assert json.loads(manifest.to_json())["format_version"] == 2
    assert read(json.loads(manifest.to_json())) == manifest


def test_one_without_key_and_plans_is_read() -> None:
    values = content()
    del values["key"], values["plans"]
    assert read(values).onnx.key is None
    assert read(values).all_of(PlanInfo) == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"opset": "20"}, "opset' must be a whole number, not '20'"),
        ({"operator": OPERATOR | {"inline": 0}}, "operator.inline' must be true or false, not 0"),
        ({"plans": {}}, "'artefacts' must be a list"),
        ({"plans": [3]}, r"'artefacts\[1\]' must be an object, not 3"),
        (
            {"plans": [PLAN | {"file": "other.plan"}]},
            "'artefacts' names other.plan, which 'files' does not list",
        ),
        ({"plans": [PLAN | {"gpu": 1}]}, r"manifest.json: 'artefacts.tensorrt.plan.gpu' must be a string"),
    ],
)
def test_what_is_wrong_in_it_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        read(content(**changes))


@pytest.mark.parametrize("name", ["inputs", "opset", "operator", "tools", "parity", "model"])
def test_what_is_missing_is_named(name: str) -> None:
    values = content()
    del values[name]
    with pytest.raises(FileFormatError, match=rf"{name}' is missing"):
        read(values)
