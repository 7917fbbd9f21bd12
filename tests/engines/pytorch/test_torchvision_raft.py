"""torchvision's RAFT, with a torchvision that computes something known in place of a network."""

import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from dinoflow_deploy.bench.benchmark import BenchOptions
from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.engines.pytorch import torchvision_raft
from dinoflow_deploy.errors import (
    DeviceError,
    EngineError,
    FileFormatError,
    InputError,
    MissingPackageError,
    ModelError,
)

NAME = "torchvision-raft-small"
# Takes what torchvision's takes, and is as strict: images in [-1, 1] whose sides are multiples of 8. Like it,
# it keeps something of its images in itself while it computes.
OPTICAL_FLOW = """
import torch

class Raft(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.zeros(()))

    def forward(self, image1, image2, num_flow_updates=12):
        assert not self.training
        assert all(side % 8 == 0 and side >= 128 for side in image1.shape[2:])
        assert -1 <= image1.min() < -0.9 and 0.9 < image1.max() <= 1
        self.kept = self.scale * image1.mean(dim=1)
        torch.rand(300, 300) @ torch.rand(300, 300)
        up = self.kept + num_flow_updates
        return [torch.full_like(image1[:, :2], 99.0)] * 11 + [torch.stack([self.kept, up], 1)]

def raft_small(*, weights):
    assert weights is None
    return Raft()
"""


@pytest.fixture
def torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of torchvision's models; what is imported of it is forgotten afterwards."""
    models = tmp_path / "packages" / "torchvision" / "models"
    models.mkdir(parents=True)
    for folder in (models, models.parent):
        (folder / "__init__.py").touch()
    (models / "optical_flow.py").write_text(OPTICAL_FLOW)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    for name in ("torchvision", "torchvision.models", "torchvision.models.optical_flow"):
        # Set, so that it is restored, which is to say taken away.
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
    return models / "optical_flow.py"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights in torch's cache, under a name that holds their hash."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "cache" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"scale": torch.tensor(4.0)}, folder / "raft.pth")
    digest = hashlib.sha256((folder / "raft.pth").read_bytes()).hexdigest()
    named = (folder / "raft.pth").rename(folder / f"raft-{digest[:8]}.pth")
    monkeypatch.setitem(torchvision_raft.MODELS, NAME, ("raft_small", named.name))
    return named


def full_range(frames: np.ndarray) -> np.ndarray:
    frames[:, 0, :2] = [[0, 0, 0], [255, 255, 255]]
    return frames


@pytest.mark.usefixtures("torchvision", "weights")
@pytest.mark.parametrize("size", [(61, 83), (131, 250)])
def test_it_gets_what_it_takes_and_its_last_flow_is_given(size: tuple[int, int], frames) -> None:
    first, second = (full_range(frames(2, *size, seed=seed)) for seed in (0, 1))
    with load_engine(NAME, device="cpu") as engine:
        found = engine.batch(first, second)
        assert engine.describe().provider == "eager, 12 updates"
    expected = 4 * (first.astype(np.float64) / 127.5 - 1).mean(axis=-1)
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-5)
    np.testing.assert_allclose(found[..., 1], expected + 12, atol=1e-5)


@pytest.mark.usefixtures("torchvision", "weights")
def test_threads_may_share_it(frames) -> None:
    pairs = full_range(frames(8, 64, 64))
    with load_engine(NAME, device="cpu") as engine, ThreadPoolExecutor(4) as pool:
        alone = [engine(pair, pair) for pair in pairs]
        together = list(pool.map(engine, [*pairs] * 5, [*pairs] * 5))
    np.testing.assert_array_equal(together, alone * 5)


def test_without_torchvision_it_says_what_to_install_and_where_weights_are_to_be(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision_raft, "is_installed", lambda name: name != "torchvision")
    with pytest.raises(MissingPackageError, match="pip install torchvision\n") as refused:
        load_engine(NAME)
    assert f"{weights}, from https://download.pytorch.org/models/{weights.name}" in str(refused.value)


def test_a_torchvision_of_another_torch_is_said(torchvision: Path, weights: Path) -> None:
    torchvision.write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    with pytest.raises(EngineError, match=r"does not load beside torch .*nms does not exist\): install"):
        load_engine(NAME)


@pytest.mark.usefixtures("torchvision")
def test_weights_are_never_fetched_and_damaged_ones_refused(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes() + b"x")
    with pytest.raises(FileFormatError, match=r"is damaged: its SHA-256 begins with \w{8}, not with \w{8}"):
        load_engine(NAME)
    weights.unlink()
    with pytest.raises(ModelError, match=rf"not in torch's cache.*\n  curl --create-dirs -o {weights} https"):
        load_engine(NAME)
    assert not weights.exists()


@pytest.mark.usefixtures("torchvision", "weights")
def test_what_it_does_not_run_on(frames) -> None:
    with pytest.raises(InputError, match=r"does not run torchvision-raft-small, .*: use torchvision"):
        load_engine(NAME, "onnxruntime")
    with pytest.raises(InputError, match="too small"), load_engine(NAME, device="cpu") as engine:
        engine(*frames(2, 15, 64))
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="'cuda:1'"):
            load_engine(NAME, device="cuda:1")


def test_bench_runs_it_once_whatever_the_backends() -> None:
    options = BenchOptions(models=("nano", NAME), backends=("onnxruntime", "pytorch"))
    assert list(options.sources()) == ["nano onnxruntime", "nano pytorch", NAME]
