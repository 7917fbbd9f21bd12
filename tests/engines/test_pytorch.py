from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from dinoflow_deploy.engines.pytorch import PyTorchEngine
from dinoflow_deploy.errors import DeviceError, EngineError, FileFormatError, InputError
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, save_model

MakeFrames = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def model() -> FlowModel:
    torch.manual_seed(0)
    return FlowModel(FlowModelConfig("nano")).eval()


def test_the_flow_is_the_models(model: FlowModel, frames: MakeFrames) -> None:
    frames1, frames2 = frames(2, 64, 96), frames(2, 64, 96, seed=1)
    with torch.inference_mode():
        tensors = (torch.from_numpy(frames).permute(0, 3, 1, 2) / 255 for frames in (frames1, frames2))
        flow = model(*tensors).permute(0, 2, 3, 1).numpy()
    with PyTorchEngine(model, device="cpu") as engine:
        np.testing.assert_allclose(engine.batch(frames1, frames2), flow, atol=1e-5)
        assert engine(frames1[0, :50, :70], frames2[0, :50, :70]).shape == (50, 70, 2)
        description = engine.describe()
    assert (description.model, description.backend, description.device) == ("nano", "pytorch", "cpu")
    assert (description.precision, description.provider, description.source) == ("fp32", "eager", None)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_bidirectional_is_two_calls_on_features_computed_once(
    precision: str, model: FlowModel, frames: MakeFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame1, frame2 = frames(2, 50, 90)
    with PyTorchEngine(model, device="cpu", precision=precision) as engine:
        calls = engine(frame1, frame2), engine(frame2, frame1)
        seen: list[int] = []
        features = model.backbone.forward
        monkeypatch.setattr(
            model.backbone, "forward", lambda images: (seen.append(len(images)), features(images))[1]
        )
        both = engine.bidirectional(frame1, frame2)
    assert seen == [2]
    assert np.abs(calls[0] + calls[1]).max() > 1e-3, "the directions differ by more than their sign"
    for flow, called in zip(both, calls, strict=True):
        np.testing.assert_allclose(flow, called, atol=1e-5 * np.abs(called).max())


def test_a_bidirectional_failure_is_an_engine_error(
    model: FlowModel, frames: MakeFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = frames(2, 64, 64)
    with PyTorchEngine(model, device="cpu") as engine:
        monkeypatch.setattr(model.head, "decode", lambda *given: torch.full((1, 2, 64, 64), torch.nan))
        with pytest.raises(EngineError, match="the flow is not finite"):
            engine.bidirectional(*pair)
    with pytest.raises(EngineError, match="closed"):
        engine.bidirectional(*pair)


def test_a_file_gives_what_was_saved(model: FlowModel, tmp_path: Path, frames: MakeFrames) -> None:
    path = tmp_path / "model.safetensors"
    save_model(model, path)
    pair = frames(2, 64, 64)
    with PyTorchEngine(path, device="cpu") as loaded, PyTorchEngine(model, device="cpu") as direct:
        np.testing.assert_array_equal(loaded(*pair), direct(*pair))
        assert loaded.describe().source == str(path)


def test_a_model_in_training_is_put_into_evaluation(frames: MakeFrames) -> None:
    model = FlowModel(FlowModelConfig("nano")).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with PyTorchEngine(model, device="cpu") as engine:
        engine(*frames(2, 64, 64))
    # BatchNorm's running figures move in training mode.
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_smaller_types_are_close_and_said(precision: str, model: FlowModel, frames: MakeFrames) -> None:
    pair = frames(2, 64, 64)
    with PyTorchEngine(model, device="cpu") as exact:
        flow = exact(*pair)
    with PyTorchEngine(model, device="cpu", precision=precision) as engine:
        reduced = engine(*pair)
        assert engine.describe().precision == precision
        assert engine.describe().provider == "eager, autocast"
    assert reduced.dtype == np.float32
    assert 0 < np.abs(reduced - flow).max() < 0.05 * np.abs(flow).max()


def test_several_threads_share_one_engine(model: FlowModel, frames: MakeFrames) -> None:
    pairs = [frames(2, 64, 64 + 16 * (index % 3), seed=index) for index in range(8)]
    with PyTorchEngine(model, device="cpu") as engine:
        serial = [engine(*pair) for pair in pairs]
        with ThreadPoolExecutor(4) as pool:
            parallel = list(pool.map(lambda pair: engine(*pair), pairs))
    for one, other in zip(serial, parallel, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_what_does_not_exist_is_refused(model: FlowModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="precision 'int8' is not one of fp32, fp16, bf16"):
        PyTorchEngine(model, device="cpu", precision="int8")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"broken")
    with pytest.raises(FileFormatError, match=r"broken\.safetensors"):
        PyTorchEngine(broken, device="cpu")


def test_cuda_that_is_not_there_is_an_error_when_asked_for(
    model: FlowModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="cannot use the device 'cuda': it finds 0 CUDA devices"):
        PyTorchEngine(model, device="cuda")
    with PyTorchEngine(model, device="auto") as engine:
        assert engine.describe().device == "cpu"


def test_a_failure_while_running_is_an_engine_error(
    frames: MakeFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*images: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    model = FlowModel(FlowModelConfig("nano"))
    monkeypatch.setattr(model, "forward", out_of_memory)
    with (
        PyTorchEngine(model, device="cpu") as engine,
        pytest.raises(EngineError, match=r"images \[1, 3, 64, 64\]: CUDA out of memory"),
    ):
        engine(*frames(2, 64, 64))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch without CUDA")
def test_cuda_equals_the_cpu(frames: MakeFrames) -> None:
    torch.manual_seed(0)
    model = FlowModel(FlowModelConfig("nano"))
    pair = frames(2, 64, 64)
    with PyTorchEngine(model, device="cpu") as engine:
        flow = engine(*pair)
    with PyTorchEngine(model, device="cuda") as engine:
        assert engine.describe().device == "cuda"
        np.testing.assert_allclose(engine(*pair), flow, atol=1e-3)
