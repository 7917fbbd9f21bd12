"""What every engine of ONNX files does alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.engines import base
from dinoflow_deploy.engines.onnx_source import OnnxFileEngine
from dinoflow_deploy.engines.onnxruntime.engine import OnnxRuntimeEngine
from dinoflow_deploy.engines.openvino.engine import OpenVinoEngine
from dinoflow_deploy.errors import FileFormatError, InputError
from tests.small_bundles import WriteOnnx, byte_model, difference

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


def test_a_file_that_takes_bytes(
    engine_class: type[OnnxFileEngine], tmp_path: Path, frames: MakeFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(byte_model(), tmp_path / "bytes.onnx")
    monkeypatch.setattr(base, "to_tensor", lambda *_: pytest.fail("made floats of bytes"))
    frames1, frames2 = frames(3, 50, 70), frames(3, 50, 70, seed=1)
    with engine_class(tmp_path / "bytes.onnx", device="cpu") as engine:
        assert engine.prepare(frames1, frames2).images1.dtype == np.uint8
        np.testing.assert_array_equal(engine.batch(frames1, frames2), difference(frames1, frames2))
        kept = frames1[0].copy()
        prepared = engine.prepare_frame(kept)
        kept[:] = 0
        np.testing.assert_array_equal(engine(prepared, frames2[0]), difference(frames1[:1], frames2[:1])[0])
        both = np.stack(engine.bidirectional(frames1[0], frames2[0]))
        np.testing.assert_array_equal(both[1], -both[0])


@pytest.mark.parametrize(
    ("shape", "names", "kind", "message"),
    [
        ((1, 100, 96, 3), ("frame1", "frame2"), TensorProto.UINT8, "height of 100 is not a multiple of 16"),
        ((1, 3, 64, 64), ("frame1", "frame2"), TensorProto.UINT8, r"it must be \[batch, height, width, 3\]"),
        ((1, 64, 64, 3), ("frame1", "frame2"), TensorProto.FLOAT, "frames of .*: they must be uint8"),
        ((1, 3, 64, 64), ("image1", "image2"), TensorProto.UINT8, "images of .*: they must be float32"),
        ((1, 3, 64, 64), ("frame1", "image2"), TensorProto.UINT8, "computes flow from frame1, image2"),
    ],
)
def test_bytes_of_another_form_are_refused(
    engine_class: type[OnnxFileEngine],
    shape: tuple[int, ...],
    names: tuple[str, str],
    kind: int,
    message: str,
    tmp_path: Path,
) -> None:
    model = byte_model(shape)
    for value, name in zip(model.graph.input, names, strict=True):
        old, value.name, value.type.tensor_type.elem_type = value.name, name, kind
        for node in model.graph.node:
            node.input[:] = [name if each == old else each for each in node.input]
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    onnx.save(model, tmp_path / "bytes.onnx")
    with pytest.raises(FileFormatError, match=message):
        engine_class(tmp_path / "bytes.onnx", device="cpu")


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
