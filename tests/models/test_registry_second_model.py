"""A second model of a backbone that another one has: a folder and a row."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.cli.train import _weights
from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.source import ModelSource
from dinoflow_deploy.inspection import inspect_artifact
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.models.registry import MODELS, Model, register_model
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, HeadConfig, load_model, save_model
from tests.small_bundles import WriteBundle

DECODER = HeadConfig(width=8, radius=1, groups=2, output_widths=(4, 4))


@pytest.fixture
def swift(tmp_path: Path, write_bundle: WriteBundle) -> Iterator[FlowModel]:
    """The model ``swift``, of the backbone of ``nano``."""
    write_bundle("swift/bundle")
    register_model(Model(name="swift", backbone="nano", decoder=DECODER, folder=tmp_path / "swift"))
    torch.manual_seed(0)
    model = FlowModel(FlowModelConfig.named("swift")).eval()
    save_model(model, tmp_path / "swift/model.safetensors")
    yield model
    del MODELS["swift"]


def test_both_are_there(swift: FlowModel, tmp_path: Path) -> None:
    assert {"nano", "swift"} <= builtin_models().keys()
    assert swift.config.backbone == FlowModelConfig.named("nano").backbone == "nano"
    assert swift.config.head_config == DECODER != FlowModelConfig.named("nano").head_config
    found = load_model(tmp_path / "swift/model.safetensors")
    assert (found.config.name, found.config) == ("swift", swift.config)


def test_it_runs_by_name(swift: FlowModel, frames) -> None:
    frame1, frame2 = frames(2, 64, 80)
    with load_engine("swift", "pytorch", "cpu") as engine:
        found, what = engine(frame1, frame2), engine.describe()
    images = [torch.from_numpy(each).permute(2, 0, 1)[None] / 255 for each in (frame1, frame2)]
    with torch.inference_mode():
        np.testing.assert_allclose(found, swift(*images)[0].permute(1, 2, 0).numpy(), atol=1e-5)
    assert (what.model, what.backend) == ("swift", "pytorch")
    with load_engine("swift", device="cpu") as engine:
        assert engine.describe().backend == "openvino"


def test_inspect_export_and_training_take_its_name(swift: FlowModel, tmp_path: Path) -> None:
    assert inspect_artifact("swift").path == str(tmp_path / "swift/bundle")
    shown = CliRunner().invoke(app, ["inspect", str(tmp_path / "swift/model.safetensors")])
    assert "swift" in shown.stdout
    exported = ModelSource("swift").load()
    assert exported.config == swift.config
    for name, tensor in swift.state_dict().items():
        assert torch.equal(tensor, exported.state_dict()[name]), name
    assert _weights("swift") == tmp_path / "swift/model.safetensors"


def test_without_weights_it_begins_with_its_backbone_s(tmp_path: Path) -> None:
    register_model(Model(name="swift", backbone="nano", decoder=DECODER, folder=tmp_path))
    try:
        source = tmp_path / "head.safetensors"
        save_model(FlowModel(FlowModelConfig.named("swift")), source)
        model = FlowModel.from_pretrained(FlowModelConfig.named("swift"), head_weights=source)
    finally:
        del MODELS["swift"]
    nano = load_model(builtin_models()["nano"].weights)
    assert torch.equal(model.backbone.patch_embed.weight, nano.backbone.patch_embed.weight)


def test_a_file_of_before_names_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    head = {"width": 32, "radius": 4, "groups": 4, "output_widths": [16, 16]}
    old = {"backbone": "nano", "head": head}
    config = FlowModelConfig.from_dict(old)
    assert config.name == "nano"
    assert config.to_dict() == old
    save_model(FlowModel(config), tmp_path / "nano.safetensors")
    with safe_open(tmp_path / "nano.safetensors", framework="np") as file:
        assert json.loads(file.metadata()["dinoflow_config"]) == old


def test_a_name_of_this_package_is_not_replaced() -> None:
    with pytest.raises(InputError, match="there is a model 'nano' already"):
        register_model(Model(name="nano", backbone="nano"))
