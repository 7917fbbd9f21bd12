"""Training a second model of a backbone."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dinoflow_deploy.errors import InputError, TrainingError
from dinoflow_deploy.models.registry import MODELS, Model, register_model
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, HeadConfig, load_model, save_model
from dinoflow_deploy.train.recipe import Recipe
from dinoflow_deploy.train.trainer import train
from tests.train.micro import CPU, micro_recipe

pytestmark = pytest.mark.slow

DECODER = HeadConfig(width=4, radius=1, groups=2, output_widths=(4, 4))


@pytest.fixture
def second(micro: str, tmp_path: Path) -> Iterator[Recipe]:
    """The recipe of a model ``second`` of the backbone ``micro``."""
    register_model(Model(name="second", backbone=micro, decoder=DECODER))
    recipe = micro_recipe(tmp_path)
    yield replace(recipe, model=replace(recipe.model, name="second"))
    del MODELS["second"]


def test_it_is_trained_and_resumed_under_its_name(second: Recipe, tmp_path: Path) -> None:
    start = FlowModel(FlowModelConfig.named("second"))
    save_model(start, tmp_path / "start.safetensors")
    train(second, tmp_path / "run", CPU, init_from=tmp_path / "start.safetensors")
    assert load_model(tmp_path / "run/last.safetensors").config == start.config
    # The checkpoint fits the recipe's model.
    assert train(second, tmp_path / "run", CPU, resume=True).finished


def test_weights_of_the_other_one_are_refused(second: Recipe, tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    save_model(FlowModel(FlowModelConfig.named("second")), start)
    other = replace(second, model=replace(second.model, name=""))
    with pytest.raises(
        TrainingError, match=r'is a second model and the recipe trains micro: .*name = "second" in \[model\]'
    ):
        train(other, tmp_path / "run", CPU, init_from=start)
    with pytest.raises(InputError, match="'nano' is none of the backbone micro: choose one of micro, second"):
        replace(second, model=replace(second.model, name="nano"))


def test_a_recipe_of_before_names_is_the_same(second: Recipe) -> None:
    values = second.to_dict()
    del values["model"]["name"]
    assert Recipe.from_dict(values) == replace(second, model=replace(second.model, name=""))
