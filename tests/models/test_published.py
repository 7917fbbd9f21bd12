import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.engines import backend, load_engine
from dinoflow_deploy.errors import InputError, MissingPackageError, ModelError
from dinoflow_deploy.inspection import inspect_artifact
from dinoflow_deploy.models.registry import MODELS
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, HeadConfig
from dinoflow_deploy.train.model.config import BACKBONES, BackboneConfig

BACKBONE = ("facebook/dinov3-vits16-pretrain-lvd1689m", "model.safetensors")
HEAD = ("blanchon/dinoflow-model", "flow-vits16.safetensors")
COMMANDS = {
    "video": ("video", "a.png", "b.png", "--model", "vits16"),
    "bench": ("bench", "--model", "vits16", "--seconds", "0.1"),
    "inspect": ("inspect", "vits16"),
}


@pytest.fixture
def offline_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and no network."""
    folder = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def cached_model(offline_cache: Path, monkeypatch: pytest.MonkeyPatch) -> FlowModel:
    """A small model under the published name, its two files in the cache as the hub's library lays them."""
    small = BackboneConfig(width=16, depth=4, heads=2, layer_scale=1.0)
    monkeypatch.setitem(BACKBONES, "vits16", small)
    head = HeadConfig(width=8, radius=1, groups=2, output_widths=(4, 4))
    monkeypatch.setitem(MODELS, "vits16", replace(MODELS["vits16"], decoder=head))
    torch.manual_seed(3)
    model = FlowModel(FlowModelConfig("vits16")).eval()
    for (repository, file), part in ((BACKBONE, model.backbone), (HEAD, model.head)):
        root = offline_cache / f"models--{repository.replace('/', '--')}"
        commit = "0123456789abcdef0123456789abcdef01234567"
        for folder in ("refs", "blobs", f"snapshots/{commit}"):
            (root / folder).mkdir(parents=True)
        (root / "refs/main").write_text(commit)
        save_file(part.state_dict(), root / "blobs/0f1e")
        (root / "snapshots" / commit / file).symlink_to("../../blobs/0f1e")
    return model


def test_a_model_in_the_cache_just_runs(cached_model: FlowModel, frames) -> None:
    frame1, frame2 = frames(2, 64, 80)
    with load_engine("vits16", device="cpu") as engine:
        found, what = engine(frame1, frame2), engine.describe()
    images = [torch.from_numpy(each).permute(2, 0, 1)[None] / 255 for each in (frame1, frame2)]
    with torch.inference_mode():
        expected = cached_model(*images)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(expected).max() > 1e-3
    assert (what.model, what.backend, what.precision) == ("vits16", "pytorch", "fp32")
    assert Path(what.source or "").name == HEAD[1]


def test_inspect_shows_what_is_in_the_cache(cached_model: FlowModel) -> None:
    report = inspect_artifact("vits16")
    assert report.model is not None
    values = sum(each.values for each in report.model.weights)
    assert values == sum(tensor.numel() for tensor in cached_model.state_dict().values())
    assert [file.name for file in report.files] == [BACKBONE[1], HEAD[1]]
    shown = CliRunner().invoke(app, ["inspect", "vits16"])
    assert shown.exit_code == 0
    assert "export --model vits16 --output" in shown.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_not_in_the_cache_is_said_with_the_way_to_it(offline_cache, command: str) -> None:
    for name in ("a.png", "b.png"):
        write_picture(Path(name))
    done = CliRunner().invoke(app, COMMANDS[command])
    assert done.exit_code == 1
    said = done.stderr
    assert f"{BACKBONE[0]}/{BACKBONE[1]}" in said
    steps = [f"1. accept the terms on https://huggingface.co/{BACKBONE[0]}", "2. hf auth login"]
    steps.append("3. dinoflow-deploy export --model vits16 --output vits16-bundle")
    assert all(step in said for step in ["the published DinoFlow model", "gated", *steps])
    assert "no file" not in said
    assert not Path("a-flow.png").exists()


def test_the_missing_one_of_two_files_is_named(cached_model, offline_cache: Path) -> None:
    shutil.rmtree(offline_cache / "models--blanchon--dinoflow-model")
    for ask in (inspect_artifact, lambda name: load_engine(name, device="cpu")):
        with pytest.raises(ModelError, match=r"Not to be had here: blanchon/dinoflow-model/flow-vits16"):
            ask("vits16")


def test_a_bundle_of_that_name_goes_before_the_hub(offline_cache, write_bundle) -> None:
    write_bundle("vits16")
    assert load_engine("vits16", device="cpu").describe().model == "difference"
    assert inspect_artifact("vits16").kind == "bundle"


def test_other_backends_name_the_export(offline_cache) -> None:
    with pytest.raises(
        InputError,
        match=r"'onnxruntime' does not run vits16, which is the published model: "
        r"use pytorch; or dinoflow-deploy export --model vits16 --output NEW",
    ):
        load_engine("vits16", "onnxruntime")


def test_without_torch_it_is_said_what_the_name_is(offline_cache, monkeypatch) -> None:
    def missing(module: str, purpose: str, *, extra: str) -> None:
        raise MissingPackageError(f"{purpose} needs {module}")

    monkeypatch.setattr(backend, "require", missing)
    with pytest.raises(MissingPackageError, match=r"^running vits16, the published model \(.*inspect vits16"):
        load_engine("vits16")


def write_picture(path: Path) -> None:
    cv2.imwrite(str(path), np.zeros((32, 48, 3), np.uint8))
