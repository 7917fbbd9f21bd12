"""What releases of ONNX Runtime said of weights that they could not read, each tried."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.engines.onnxruntime.data_files import data_file_problem
from dinoflow_deploy.errors import FileFormatError
from tests.small_bundles import WriteOnnx

MakeFrames = Callable[..., np.ndarray]
ERROR = "[ONNXRuntimeError] : 1 : FAIL : "
INVALID = f"{ERROR}External data path validation failed for initializer: w0. Error: "
NO_SIZE = "Exception during initialization: filesystem error: cannot get file size"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # 1.20, 1.22, 1.24
        (f"{NO_SIZE}: No such file or directory [/m/w.data]", "weights in /m/w.data, which is missing"),
        (f"{NO_SIZE}: Is a directory [/m/w.data]", "weights in /m/w.data, which is missing"),
        # 1.26, 1.32
        (
            f"{INVALID}tensorprotoutils.cc:440 ValidateExternalDataPath External data path does not exist: "
            '"/m/w.data"',
            "weights in /m/w.data, which is missing",
        ),
        # 1.32
        (
            f"{ERROR}Deserialize tensor w0 failed.env.cc:538 OpenRandomAccessFile Random-access reads "
            "require a regular file: /m/w.data",
            "weights in /m/w.data, which is missing",
        ),
        # 1.24
        (
            f"{INVALID}tensorprotoutils.cc:334 ValidateExternalDataPath Absolute paths not allowed for "
            "external data location",
            "weights in a file with an absolute path, outside its folder",
        ),
        (
            f'{INVALID}tensorprotoutils.cc:346 ValidateExternalDataPath External data path: "w" escapes '
            'model directory: "/m"',
            "weights in w, outside its folder",
        ),
        # 1.32
        (
            f"{INVALID}tensorprotoutils.cc:592 ValidateExternalDataPathFromDir Absolute path not allowed for "
            "external data location",
            "weights in a file with an absolute path, outside its folder",
        ),
        (
            f'{INVALID}External data path escapes model directory. External data path: "w" resolved path: '
            '"/w" allowed directory: "/m"',
            "weights in w, outside its folder",
        ),
        # All
        (
            f"{ERROR}Deserialize tensor w0 failed.tensorprotoutils.cc:1038 GetExtDataFromTensorProto "
            "External initializer: w0 offset: 64 size to read: 8000 given file_length: 100 are out "
            "of bounds or can not be read in full.",
            "that holds w0 has 100 bytes, where 8000 from 64 on are needed",
        ),
        (f"{ERROR}Load model from m.onnx failed: Protobuf parsing failed.", None),
    ],
)
def test_each_release_is_understood(said: str, expected: str | None, tmp_path: Path) -> None:
    (tmp_path / "w").touch()
    problem = data_file_problem(said, tmp_path / "m.onnx")
    assert problem is None if expected is None else expected in str(problem)


def test_of_the_installed_release(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    """Behind links, as a hub's cache keeps a model and its weights."""
    path, blobs = write_onnx("cache/model.onnx"), write_onnx("blobs/m").parent
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="w.data", size_threshold=0)
    weights = path.parent / "w.data"
    for file, blob in ((path, blobs / "m"), (weights, blobs / "w")):
        file.rename(blob)
        file.symlink_to(f"../blobs/{blob.name}")
    frame1, frame2 = frames(2, 64, 64)
    with load_engine(path, "onnxruntime", "cpu") as engine:
        expected = frame2[..., :2].astype(np.float32) - frame1[..., :2]
        np.testing.assert_allclose(engine(frame1, frame2), expected, atol=1e-4)
    (blobs / "w").write_bytes(bytes(2))
    with pytest.raises(FileFormatError, match="holds scale has 2 bytes, where 4 from 0 on are needed"):
        load_engine(path, "onnxruntime", "cpu")
    weights.unlink()
    message = f"{path} keeps weights in .*, which is missing: copy that file too, or export again"
    with pytest.raises(FileFormatError, match=message):
        load_engine(path, "onnxruntime", "cpu")
