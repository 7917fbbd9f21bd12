"""Numbers that an export computes from shapes alone: scalars among them ONNX Runtime leaves on the CPU."""

from collections import Counter
from pathlib import Path

import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from tests.export.conftest import GetExport

pytestmark = pytest.mark.slow

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)
# Positions of rows and columns: numbered, moved to the middles of cells, for the rotary embedding scaled by
# 2 / count, and spread out to its angles.
AXIS = {"Cast": 1, "Div": 1, "Range": 1, "Add": 1}
ROTARY = {
    **{operator: 2 * count for operator, count in AXIS.items()},
    "Mul": 4,
    "Sub": 2,
    "Unsqueeze": 4,
    "Expand": 2,
    "Concat": 2,
    "Reshape": 1,
    "Sin": 1,
    "Cos": 1,
}
# The last middle of a cell, rows - 0.5 or columns - 0.5, at which positions end.
FIRST_SAMPLING = {"Unsqueeze": 6, "Add": 2}
SAMPLING = {**{operator: 2 * count for operator, count in AXIS.items()}, "Unsqueeze": 6, "Add": 4}
EXPECTED = {
    # Class and register tokens, once for each image.
    "backbone": {"Expand": 1},
    "backbone.rotary": ROTARY,
    # The first sampling has the rotary embedding's positions.
    "head.upsample_1.dysample1.0": FIRST_SAMPLING,
    "head.upsample_1.dysample2.0": SAMPLING,
    "head.upsample_2.dysample1.0": SAMPLING,
    "head.upsample_2.dysample2.0": SAMPLING,
}
# Operators that ONNX Runtime's CUDA provider computes in float32 at opset 20: its docs/OperatorKernels.md.
ON_CUDA = {
    *("Add", "Cast", "Concat", "Cos", "Div", "Expand", "Mul", "Range", "Reshape", "Sin", "Sub", "Unsqueeze")
}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", ["nano", "vits16"])
def test_with_dynamic_shapes_they_are_few_and_known(
    name: str, precision: str, get_export: GetExport, tmp_path: Path
) -> None:
    values = float_values(get_export(name, precision, True).path, tmp_path)
    assert {module: dict(counts) for module, counts in values.items()} == EXPECTED
    assert {operator for counts in values.values() for operator in counts} <= ON_CUDA


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_with_static_shapes_there_are_none(precision: str, get_export: GetExport, tmp_path: Path) -> None:
    """In one model, as in all: what is left with dynamic shapes is the same in each."""
    assert float_values(get_export("nano", precision, False).path, tmp_path) == {}


def float_values(path: Path, folder: Path) -> dict[str, Counter[str]]:
    """Operators that make a floating-point value of shapes and constants alone, counted by module.

    In the graph that ONNX Runtime divides among providers: functions in place of their calls, and its
    optimisations of that level done.
    """
    graph = optimized(path, folder).graph
    types = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    constants = {"", *(tensor.name for tensor in graph.initializer)}
    of_shapes: set[str] = set()
    found: dict[str, Counter[str]] = {}
    for node in graph.node:
        inputs = set(node.input) - constants
        if not inputs and node.op_type not in ("Shape", "Size"):
            constants |= set(node.output)
        elif node.op_type in ("Shape", "Size") or inputs <= of_shapes:
            of_shapes |= set(node.output)
            if any(types[name] in FLOATS for name in node.output):
                found.setdefault(node.name.rpartition(".")[0], Counter())[node.op_type] += 1
    return found


def optimized(path: Path, folder: Path) -> onnx.ModelProto:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    model = onnx.load(folder / "optimized.onnx")
    for tensor in model.graph.initializer:
        if tensor.ByteSize() > 2**10:
            tensor.ClearField("raw_data")
    return onnx.shape_inference.infer_shapes(model, data_prop=True)
