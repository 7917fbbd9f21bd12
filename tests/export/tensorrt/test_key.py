"""Whatever decides a plan is in its key, and nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dinoflow_deploy.export.options import parse_inputs
from dinoflow_deploy.export.plugin.plugin_choice import PluginChoice
from dinoflow_deploy.export.shapes import DEFAULT_SHAPES
from dinoflow_deploy.export.tensorrt.key import plan_key
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.export.tensorrt.toolchain import Toolchain
from dinoflow_deploy.tensorrt.flavours import TENSORRT
from tests.export.tensorrt.conftest import GH200
from tests.tensorrt_model.flavours import TENSORRT_10, TENSORRT_11
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT

NEW, OLD = TensorRT(Machine(), TENSORRT_11), TensorRT(Machine(), TENSORRT_10)
OPTIONS = PlanOptions()
BASE: dict[str, Any] = {
    "onnx_sha256": "0" * 64,
    "toolchain": Toolchain(TENSORRT, NEW, GH200, ("9.0",)),
    "options": OPTIONS,
    "inputs": DEFAULT_SHAPES,
    "plugin": PluginChoice("none", "because", None, ""),
}
TOOLCHAIN: Toolchain = BASE["toolchain"]
DECISIVE = [
    {"onnx_sha256": "1" * 64},
    {"options": replace(OPTIONS, flavour="rtx")},
    {"toolchain": replace(TOOLCHAIN, module=OLD)},
    {"toolchain": replace(TOOLCHAIN, gpu=replace(GH200, name="NVIDIA H100 PCIe"))},
    {"toolchain": replace(TOOLCHAIN, gpu=None)},
    {"toolchain": replace(TOOLCHAIN, compute_capabilities=("9.0", "12.0"))},
    {"options": replace(OPTIONS, optimization_level=0)},
    {"options": replace(OPTIONS, optimization_level=3)},
    {"options": replace(OPTIONS, hardware_compatibility="same-cc")},
    {"options": replace(OPTIONS, workspace_gib=4.0)},
    {"inputs": parse_inputs("448x1024", "1")},
    {"inputs": replace(DEFAULT_SHAPES, height=replace(DEFAULT_SHAPES.height, opt=512))},
    {"plugin": PluginChoice("cpp", "because", Path("library.so"), "a" * 64)},
    {"plugin": PluginChoice("cpp", "because", Path("library.so"), "b" * 64)},
    {"plugin": PluginChoice("aot", "because", None, "a" * 64)},
]


def test_whatever_decides_a_plan_changes_its_key() -> None:
    keys = [plan_key(**BASE | change) for change in ({}, *DECISIVE)]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 64 for key in keys)


@pytest.mark.parametrize(
    "change",
    [
        {"options": replace(OPTIONS, timing_cache=Path("timings"))},
        {"options": replace(OPTIONS, verify=False)},
        {"toolchain": replace(TOOLCHAIN, gpu=replace(GH200, driver="590.1", memory_bytes=None))},
        {"plugin": PluginChoice("none", "another reason", None, "")},
        {},
    ],
)
def test_nothing_else_does(change: dict[str, Any]) -> None:
    assert plan_key(**BASE | change) == plan_key(**BASE)
