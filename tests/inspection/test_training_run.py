"""The folder of a training run and its checkpoint, as ``train`` writes them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from dinoflow_deploy import load_engine
from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.inspection import inspect_artifact, report_lines
from dinoflow_deploy.inspection.report import Report, TrainingDetails
from dinoflow_deploy.inspection.training_run import CHECKPOINT_KEY, CHECKPOINT_NAME
from dinoflow_deploy.train.checkpoint import TrainingState, save_checkpoint
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, model_file, save_model
from dinoflow_deploy.train.run_folder import RunFolder
from tests.train.micro import CPU, micro, micro_recipe

__all__ = ["micro"]


@pytest.fixture
def run(tmp_path: Path, micro: str) -> RunFolder:
    """Stopped at step 7, after a validation."""
    folder, model = RunFolder(tmp_path / "run"), FlowModel(FlowModelConfig(micro))
    folder.path.mkdir()
    optimizer = torch.optim.AdamW(model.parameters())
    state = TrainingState(model, optimizer, None, step=7, start_epe=2.0, best_epe=1.5)
    save_checkpoint(folder.checkpoint, state, micro_recipe(tmp_path), CPU)
    save_model(model, folder.best)
    save_model(model, folder.last)
    return folder


def text(report: Report) -> str:
    return "\n".join(f"{label} {line}".strip() for label, line in report_lines(report))


def test_the_folder_and_the_checkpoint_say_which_file_to_use(run: RunFolder) -> None:
    folder, checkpoint = inspect_artifact(run.path), inspect_artifact(run.checkpoint)
    assert (folder.kind, checkpoint.kind) == ("run", "checkpoint")
    models = {str(run.best): "lowest validation EPE", str(run.last): "of the last checkpoint"}
    assert folder.training == checkpoint.training
    assert folder.training == TrainingDetails(step=7, start_epe=2.0, best_epe=1.5, models=models)
    assert [file.name for file in folder.files] == [run.checkpoint.name, run.best.name, run.last.name]
    for report in (folder, checkpoint):
        said = text(report)
        assert "training 7 steps done; validation EPE 2.000 px at the start, 1.500 px at its best" in said
        assert f"use --model {run.best} (lowest validation EPE)" in said
        assert "a decoder or backbone alone" not in said
    # What it says to use is a model.
    for path in models:
        assert inspect_artifact(path).kind == "safetensors"
        load_engine(path, device="cpu").close()


def test_models_that_are_not_there_are_not_named(run: RunFolder) -> None:
    run.best.unlink()
    assert list(inspect_artifact(run.path).training.models) == [str(run.last)]
    run.last.unlink()
    assert "use nothing: its models" in text(inspect_artifact(run.checkpoint))


def test_a_run_given_as_a_model_names_its_own(run: RunFolder) -> None:
    with pytest.raises(FileFormatError, match=rf"run, give its model, {run.best}$"):
        load_engine(run.path)


def test_the_names_are_those_that_training_writes(run: RunFolder) -> None:
    assert run.checkpoint.name == CHECKPOINT_NAME
    assert model_file.CHECKPOINT_KEY == CHECKPOINT_KEY


@pytest.mark.parametrize("state", ["{", "[]", "7", "{}", '{"step": 1, "best_epe": []}'])
def test_a_checkpoint_of_another_form_is_an_error(state: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_file({"w": np.zeros(1, np.float32)}, path, {CHECKPOINT_KEY: state})
    with pytest.raises(FileFormatError, match=r"checkpoint\.safetensors cannot be read as a checkpoint"):
        inspect_artifact(path)


def test_json_has_it_too(run: RunFolder) -> None:
    values = json.loads(json.dumps(inspect_artifact(run.path).to_dict()))
    assert values["training"]["step"] == 7
    assert list(values["training"]["models"]) == [str(run.best), str(run.last)]
