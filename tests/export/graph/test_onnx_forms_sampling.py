"""The sampling that is exported, clamped positions and zeros beyond, against padding by the border."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto, TensorProto, helper
from onnx.reference import ReferenceEvaluator

from tests.export.conftest import STATIC_SHAPE, GetExport
from tests.train.model.test_dysample import with_border_repeated

pytestmark = pytest.mark.slow

MODULE = "head.upsample_1.dysample1.0"
POSITIONS = 4 * 2**2
"""Of each axis in a cell: four groups, each upsampled by two."""
FEW_CELLS, MANY_CELLS = (1, 5, 3), (1, 9, 257)
"""Batch, rows and columns; the rounding of a position grows with their number."""


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_equals_padding_by_the_border_at_any_size(precision: str, get_export: GetExport) -> None:
    sampling = sampling_of(get_export("nano", precision, True).onnx)
    session = session_of(sampling)
    compare(ReferenceEvaluator(sampling), sampling, FEW_CELLS, 1e-5)
    compare(session, sampling, FEW_CELLS, 1e-5)
    compare(session, sampling, MANY_CELLS, 2e-4)


def test_equals_padding_by_the_border_at_a_fixed_size(get_export: GetExport) -> None:
    batch, height, width = STATIC_SHAPE
    sampling = sampling_of(get_export("nano", "fp16", False).onnx)
    for computed in (ReferenceEvaluator(sampling), session_of(sampling)):
        compare(computed, sampling, (batch, height // 16, width // 16), 1e-5)


def test_every_sampling_has_the_form_that_onnx_runtime_computes_fast(get_export: GetExport) -> None:
    nodes = get_export("nano", "fp32", True).onnx.graph.node
    settings = [
        {item.name: helper.get_attribute_value(item) for item in node.attribute}
        for node in nodes
        if node.op_type == "GridSample"
    ]
    assert settings == [{"mode": b"linear", "padding_mode": b"zeros", "align_corners": 0}] * 4


def compare(computed: Any, sampling: ModelProto, size: tuple[int, int, int], tolerance: float) -> None:
    offsets, features, images = arguments(*size)
    arrays = (offsets, features, images)
    names = [value.name for value in sampling.graph.input]
    (found,) = computed.run(None, dict(zip(names, arrays, strict=False)))
    expected = with_border_repeated(torch.from_numpy(offsets), torch.from_numpy(features))
    np.testing.assert_allclose(found, expected, atol=tolerance, rtol=0)


def sampling_of(model: ModelProto) -> ModelProto:
    """From a module's offsets in cells, and the features to sample, to what it reads there, in float32."""
    nodes = {node.name: node for node in model.graph.node}
    offsets, sampled = nodes[f"{MODULE}.Add_0"].output[0], nodes[f"{MODULE}.GridSample_0"]
    for name in (offsets, sampled.input[0], sampled.output[0]):
        model.graph.value_info.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    inputs = [offsets, sampled.input[0]]
    if any(axis.dim_param for axis in model.graph.input[0].type.tensor_type.shape.dim):
        # Lengths are read from its shape.
        inputs.append("image1")
    return onnx.utils.Extractor(model).extract_model(inputs, [sampled.output[0]])


def arguments(batch: int, rows: int, columns: int) -> tuple[np.ndarray, ...]:
    """Offsets far beyond all borders, onto the middles of the outer cells, and anywhere; features; images."""
    generator = np.random.default_rng(0)
    shape = (batch, 2, POSITIONS, rows, columns)
    offsets = generator.normal(0, 2, shape)
    first = -np.stack(np.meshgrid(np.arange(columns), np.arange(rows)))[:, None]
    last = first + np.array([columns - 1, rows - 1])[:, None, None, None]
    for special in (first, last, 1e7, -1e7):
        offsets = np.where(generator.random(shape) < 0.15, special, offsets)
    features = generator.normal(size=(batch * 4, 8, rows, columns))
    images = np.zeros((batch, 3, 16 * rows, 16 * columns))
    arrays = (offsets.reshape(batch, -1, rows, columns), features, images)
    return tuple(array.astype(np.float32) for array in arrays)


def session_of(model: ModelProto) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
