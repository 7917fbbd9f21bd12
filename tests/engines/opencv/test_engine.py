from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoflow_deploy.bench.benchmark import BenchOptions
from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.errors import DeviceError, InputError


@pytest.mark.parametrize("size", [(64, 80), (61, 83), (16, 40)])
def test_the_flow_is_opencv_s_own_at_any_size(size: tuple[int, int], frames) -> None:
    first, second = frames(3, *size), frames(3, *size, seed=1)
    with load_engine("opencv-dis") as engine:
        found = engine.batch(first, second)
        assert engine.describe().device == "cpu"
    for pair, flow in zip(zip(first, second, strict=True), found, strict=True):
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in pair]
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        np.testing.assert_array_equal(flow, dis.calc(*grey, np.zeros((*size, 2), np.float32)))


def test_it_sees_the_motion_of_a_scene() -> None:
    sample = SyntheticScenes(SceneConfig(96, 128, 6.0), 1, 1)[0]
    with load_engine("opencv-dis") as engine:
        found = engine(sample.frame1, sample.frame2)
        forward, _ = engine.bidirectional(sample.frame1, sample.frame2)
    np.testing.assert_array_equal(found, forward)
    error, still = (np.linalg.norm(flow - sample.flow, axis=-1).mean() for flow in (found, 0 * found))
    assert error < still / 2


def test_it_has_no_gpu_and_no_other_backend(frames) -> None:
    with pytest.raises(DeviceError, match=r"opencv-dis cannot use the device 'cuda:1': it runs on the CPU"):
        load_engine("opencv-dis", device="cuda:1")
    with pytest.raises(InputError, match=r"does not run opencv-dis, which is no model but .*: use opencv"):
        load_engine("opencv-dis", "onnxruntime")
    with pytest.raises(InputError, match="the backend 'opencv' does not run nano"):
        load_engine("nano", "opencv")
    with pytest.raises(InputError, match="too small"), load_engine("opencv-dis") as engine:
        engine(*frames(2, 15, 64))


def test_a_file_of_that_name_goes_before_it(tmp_path: Path, monkeypatch, write_bundle) -> None:
    write_bundle("opencv-dis")
    monkeypatch.chdir(tmp_path)
    assert load_engine("opencv-dis", device="cpu").describe().model == "difference"


def test_bench_runs_it_once_whatever_the_backends() -> None:
    options = BenchOptions(models=("nano", "opencv-dis"), backends=("onnxruntime", "pytorch"))
    assert list(options.sources()) == ["nano onnxruntime", "nano pytorch", "opencv-dis"]
