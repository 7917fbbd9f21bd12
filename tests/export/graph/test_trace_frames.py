"""An export that takes frames of bytes computes the flow of one that takes images, to the bit."""

from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto

from dinoflow_deploy.export import ExportOptions
from dinoflow_deploy.export.graph.onnx_model import export_onnx
from dinoflow_deploy.export.options import parse_inputs
from tests.export.conftest import GetExport

pytestmark = pytest.mark.slow

MakeFrames = Callable[..., np.ndarray]


def run(model: ModelProto, **inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["flow"], inputs)[0]


@pytest.mark.parametrize(("precision", "dynamic"), [("fp32", True), ("fp16", False)])
def test_the_flow_is_that_of_images(
    get_export: GetExport, frames: MakeFrames, precision: str, dynamic: bool
) -> None:
    of_images = get_export("nano", precision, dynamic)
    inputs = parse_inputs(None, "dynamic") if dynamic else parse_inputs("64x112", "2")
    options = ExportOptions(precision=precision, inputs=inputs, model_input="frames")
    of_frames = export_onnx(of_images.model, options)
    assert [value.type.tensor_type.elem_type for value in of_frames.graph.input] == [TensorProto.UINT8] * 2
    # TensorRT does nothing else with bytes.
    reading = [node.op_type for node in of_frames.graph.node if {"frame1", "frame2"} & set(node.input)]
    assert set(reading) <= {"Cast", "Shape"}
    for shape in [(2, 64, 112), *([(1, 96, 80)] if dynamic else [])]:
        first, second = frames(*shape), frames(*shape, seed=1)
        images = [
            (each.astype(np.float32) / np.float32(255)).transpose(0, 3, 1, 2) for each in (first, second)
        ]
        expected = run(of_images.onnx, image1=images[0], image2=images[1])
        np.testing.assert_array_equal(run(of_frames, frame1=first, frame2=second), expected)
