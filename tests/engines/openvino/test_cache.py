"""Models that OpenVINO has compiled before."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import external_data_helper

from dinoflow_deploy.engines.openvino import cache
from dinoflow_deploy.engines.openvino import engine as engine_module
from dinoflow_deploy.engines.openvino.engine import OpenVinoEngine
from tests.small_bundles import WriteOnnx

MakeFrames = Callable[..., np.ndarray]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The ONNX files that were read, not taken from the cache."""
    paths = []
    own = engine_module.read_model
    monkeypatch.setattr(engine_module, "read_model", lambda path: (paths.append(path), own(path))[1])
    return paths


def flow_of(path: Path, pair: np.ndarray, **options) -> np.ndarray:
    with OpenVinoEngine(path, **options) as engine:
        return engine(*pair)


def test_the_second_start_reads_no_onnx(
    write_onnx: WriteOnnx, frames: MakeFrames, read: list[Path], cache_folder: Path
) -> None:
    path, pair = write_onnx(), frames(2, 70, 90)
    first = flow_of(path, pair)
    kept = list(cache_folder.iterdir())
    copy = path.with_name("copy.onnx")
    copy.write_bytes(path.read_bytes())
    np.testing.assert_array_equal(flow_of(copy, pair), first)
    assert read == [path]
    assert list(cache_folder.iterdir()) == kept
    assert len(kept) == 1


def scaled(path: Path, scale: float) -> None:
    """The same graph with another weight, in a file of the same size and time."""
    model = onnx.load(path)
    model.graph.initializer[0].raw_data = np.float32(scale).tobytes()
    path.write_bytes(model.SerializeToString())


def test_other_weights_are_another_model(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    path, pair = write_onnx(), frames(2, 64, 64)
    flows = []
    for scale in (1, 2):
        scaled(path, scale)
        flows.append(flow_of(path, pair))
    np.testing.assert_allclose(flows[1], 2 * flows[0], rtol=1e-6)


def test_another_version_device_or_setting_is_never_hit(
    write_onnx: WriteOnnx, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_onnx()
    OpenVinoEngine(path)
    OpenVinoEngine(path, intra_op_threads=1)
    monkeypatch.setattr(cache, "VERSION", "another")
    OpenVinoEngine(path)
    monkeypatch.setattr(cache, "full_name", lambda name: "another CPU")
    OpenVinoEngine(path)
    assert read == [path] * 4
    OpenVinoEngine(path)
    assert len(read) == 4


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 5000])
def test_a_damaged_one_is_made_again(
    damage: bytes, write_onnx: WriteOnnx, frames: MakeFrames, read: list[Path], cache_folder: Path
) -> None:
    path, pair = write_onnx(), frames(2, 64, 64)
    first = flow_of(path, pair)
    (kept,) = cache_folder.iterdir()
    content = kept.read_bytes()
    kept.write_bytes(content[: len(content) // 2] + damage)
    np.testing.assert_array_equal(flow_of(path, pair), first)
    flow_of(path, pair)
    assert len(read) == 2


def test_weights_beside_the_file_are_read_each_time(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    path, pair = write_onnx(), frames(2, 64, 64)
    model = onnx.load(path)
    external_data_helper.convert_model_to_external_data(model, location="weights", size_threshold=0)
    onnx.save(model, path)
    first = flow_of(path, pair)
    weights = bytearray((path.parent / "weights").read_bytes())
    weights[:4] = np.float32(510).tobytes()
    (path.parent / "weights").write_bytes(weights)
    np.testing.assert_allclose(flow_of(path, pair), 2 * first, rtol=1e-6)


def test_a_cache_that_cannot_be_written_is_done_without(
    write_onnx: WriteOnnx, frames: MakeFrames, read: list[Path], cache_folder: Path
) -> None:
    cache_folder.parent.mkdir(parents=True)
    cache_folder.write_text("a file")
    path, pair = write_onnx(), frames(2, 64, 64)
    np.testing.assert_array_equal(flow_of(path, pair), flow_of(path, pair))
    assert len(read) == 2


def test_those_used_last_are_kept(
    write_onnx: WriteOnnx, monkeypatch: pytest.MonkeyPatch, read: list[Path], cache_folder: Path
) -> None:
    monkeypatch.setattr(cache, "KEPT", 2)
    paths = [write_onnx(f"{index}.onnx") for index in range(3)]
    for index, path in enumerate(paths):
        scaled(path, index + 1)
        OpenVinoEngine(path)
    assert len(list(cache_folder.iterdir())) == 2
    OpenVinoEngine(paths[2])
    assert read == paths
