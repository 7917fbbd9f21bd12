"""How long a training becomes, and which model it leaves."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.models.registry import MODELS, Model, register_model
from dinoflow_deploy.train.checkpoint import save_checkpoint
from dinoflow_deploy.train.distributed import Process
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, HeadConfig, load_model, save_model
from dinoflow_deploy.train.opened_recipe import open_recipe
from dinoflow_deploy.train.recipe import Recipe, load_recipe
from dinoflow_deploy.train.run_folder import RunFolder
from dinoflow_deploy.train.training_step import training_state


def rates(recipe: Recipe) -> dict:
    plan = open_recipe(recipe)
    return {
        "seconds_per_step": [0.02, 0.03, 0.05, 0.04],
        "seconds_to_start": [5.0, 1.0, 1.0, 1.0],
        "seconds_per_validation": 2.0,
        "steps_of_the_recipe": [stage.steps for stage in plan.stages],
        "warmup_steps_of_the_recipe": plan.stages[0].rate.warmup_steps,
    }


@pytest.mark.parametrize("seconds", [40.0, 300.0, 3000.0])
def test_it_takes_the_time_that_there_is(seconds):
    from fitted_training import fit

    recipe = load_recipe("nano")
    known = rates(recipe)
    fitted = fit(recipe, known, seconds)
    steps = [stage.steps for stage in fitted.stages]
    takes = np.dot(steps, known["seconds_per_step"]) + 8.0 + 8 * 2.0
    assert seconds - sum(known["seconds_per_step"]) <= takes <= seconds
    shares = np.divide(steps, [stage.steps for stage in recipe.stages])
    assert shares == pytest.approx([shares[2]] * 4, abs=1 / 500)
    assert fitted.optimizer.warmup_steps == pytest.approx(recipe.optimizer.warmup_steps * shares[2], abs=1)
    assert -(-sum(steps) // fitted.validation.every) <= 8


def test_too_little_time_is_refused_with_what_it_takes():
    from fitted_training import fit

    recipe = load_recipe("nano")
    with pytest.raises(InputError, match=r"20 s are left, .* take 24 s: give more --minutes"):
        fit(recipe, rates(recipe), 20.0)


@pytest.mark.parametrize("name", ["nano", "chairs-things"])
def test_a_recipe_is_written_as_it_is_read(tmp_path, name):
    from fitted_training import toml

    recipe = load_recipe(name)
    file = tmp_path / "recipe.toml"
    file.write_text("".join(f"{key} = {toml(value)}\n" for key, value in recipe.to_dict().items()))
    assert load_recipe(str(file)) == recipe


class _Record:
    def __init__(self) -> None:
        self.results: dict = {}

    def save(self) -> None:
        pass


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    """A run of a second model of a backbone that was killed after a checkpoint."""
    register_model(Model(name="second", backbone="nano", decoder=HeadConfig(width=16, output_widths=(8, 8))))
    recipe = load_recipe("nano")
    recipe = replace(recipe, model=replace(recipe.model, name="second"))
    process = Process(0, 1, torch.device("cpu"))
    state = training_state(FlowModel(recipe.model.config), recipe, process)
    state.step = 7
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    save_checkpoint(folder.checkpoint, state, recipe, process)
    yield folder
    del MODELS["second"]


def test_a_run_that_was_never_validated_leaves_the_model_of_its_checkpoint(run, tmp_path):
    from fitted_training import Kept

    record = _Record()
    Kept(run, tmp_path / "model.safetensors").finish(record)
    assert record.results["model"] == "that of the last checkpoint, which was not validated"
    assert (record.results["step"], record.results["best_epe"]) == (7, None)
    assert load_model(tmp_path / "model.safetensors").config.name == "second"


def test_the_best_model_is_copied_as_soon_as_it_is_there(run, tmp_path):
    from fitted_training import Kept

    record, copy = _Record(), tmp_path / "model.safetensors"
    kept = Kept(run, copy)
    kept.update(record)
    assert not copy.exists()
    save_model(FlowModel(FlowModelConfig("nano")), run.best)
    kept.update(record)
    assert copy.read_bytes() == run.best.read_bytes()
    kept.finish(record)
    assert record.results["model"] == "the best of its validations"
    assert copy.read_bytes() == run.best.read_bytes()
