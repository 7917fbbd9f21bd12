"""What every engine of ONNX files does alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.engines.onnx_source import OnnxFileEngine
from dinoflow_deploy.engines.onnxruntime.engine import OnnxRuntimeEngine
from dinoflow_deploy.engines.openvino.engine import OpenVinoEngine
from dinoflow_deploy.errors import FileFormatError, InputError
from tests.small_bundles import WriteOnnx, difference

MakeFrames = Callable[..., np.ndarray]
DOUBLE = {OnnxRuntimeEngine: r"images of tensor\(double\)", OpenVinoEngine: "images of f64"}


@pytest.fixture(params=[OnnxRuntimeEngine, OpenVinoEngine])
def engine_class(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_bare_static_file(
    engine_class: type[OnnxFileEngine], write_onnx: WriteOnnx, frames: MakeFrames
) -> None:
    frames1, frames2 = frames(5, 50, 70), frames(5, 50, 70, seed=1)
    with engine_class(write_onnx(shape=(2, 3, 64, 96)), device="cpu") as engine:
        np.testing.assert_allclose(engine.batch(frames1, frames2), difference(frames1, frames2), atol=1e-4)
        assert engine.describe().inputs == InputRange(
            AxisRange.fixed(2), AxisRange.fixed(64), AxisRange.fixed(96)
        )
        with pytest.raises(InputError, match="width is 96"):
            engine.batch(frames(1, 50, 97), frames(1, 50, 97))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": ("left", "right")}, "computes flow from left, right"),
        ({"output": "disparity"}, "computes disparity from image1, image2"),
        ({"shape": ("batch", 1, "height", "width")}, r"it must be \[batch, 3, height, width\]"),
        ({"shape": (1, 3, 100, 96)}, "height of 100 is not a multiple of 16"),
        ({"element_type": TensorProto.DOUBLE}, ""),
    ],
)
def test_a_model_of_something_else_is_refused(
    arguments: dict[str, object], message: str, engine_class: type[OnnxFileEngine], write_onnx: WriteOnnx
) -> None:
    path = write_onnx(**arguments)
    with pytest.raises(FileFormatError, match=message or DOUBLE[engine_class]) as caught:
        engine_class(path, device="cpu")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("damage", ["empty", "garbage", "truncated"])
def test_a_damaged_file_is_refused(
    damage: str,
    engine_class: type[OnnxFileEngine],
    write_onnx: WriteOnnx,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = write_onnx()
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "garbage": b"not a model" * 20, "truncated": content[:-30]}[damage])
    with pytest.raises(FileFormatError, match="not a valid ONNX model") as caught:
        engine_class(path, device="cpu")
    assert str(path) in str(caught.value)
    assert capfd.readouterr() == ("", "")
