"""Recipes are checked when read, and a mistake is named with what would be right."""

import json
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.train.recipe import (
    OptimizerSection,
    Recipe,
    Stage,
    SyntheticSection,
    load_recipe,
    recipe_names,
    recipe_text,
)
from tests.train.tiny_recipe import TINY

Change = Callable[[dict[str, Any]], object]


def _tiny() -> dict[str, Any]:
    return tomllib.loads(TINY.format(workers=0))


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_of_the_package_load(name):
    recipe = load_recipe(name)
    assert all(stage.steps or stage.epochs for stage in recipe.stages)
    assert tomllib.loads(recipe_text(name))["model"]["backbone"] == recipe.model.backbone


def test_nano_is_among_them():
    assert "nano" in recipe_names()


def test_what_is_read_is_what_is_written():
    recipe = Recipe.from_dict(_tiny())
    assert recipe.seed == 5
    assert recipe.model.train_backbone is True
    assert recipe.optimizer == OptimizerSection(learning_rate=1e-3, warmup_steps=2, ema_decay=0.9)
    assert [stage.steps for stage in recipe.stages] == [4, 6]
    scenes = recipe.stages[1].synthetic.scenes
    assert (scenes.height, scenes.width, scenes.max_motion, scenes.max_objects) == (48, 32, 8, 1)
    assert recipe.validation.synthetic.seed == 3
    # Left out in the file.
    assert recipe.flow_cap == 400.0
    assert recipe.optimizer.clip_norm == 1.0


def test_round_trip_through_json():
    recipe = load_recipe("nano")
    values = json.loads(json.dumps(recipe.to_dict()))
    assert Recipe.from_dict(values) == recipe
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def _set(path: str, value: object) -> Change:
    """Set ``stages.0.steps`` and the like."""
    *parents, key = path.split(".")

    def change(values: Any) -> None:
        for parent in parents:
            values = values[int(parent) if parent.isdecimal() else parent]
        values[key] = value

    return change


def _drop(path: str) -> Change:
    *parents, key = path.split(".")

    def change(values: Any) -> None:
        for parent in parents:
            values = values[int(parent) if parent.isdecimal() else parent]
        del values[key]

    return change


MISTAKES = [
    # Unknown keys, at each level.
    (_set("stepz", 1), "the recipe has unknown keys stepz: known are .*flow_cap"),
    (_set("model.width", 1), "model has unknown keys width: known are backbone"),
    (_set("optimizer.lr", 1.0), "optimizer has unknown keys lr: known are learning_rate"),
    (_set("stages.1.epoch", 1), r"stages\[1\] has unknown keys epoch: known are batch_size, steps, epochs"),
    (_set("stages.0.synthetic.heigth", 1), r"stages\[0\]\.synthetic has unknown keys heigth: .*height"),
    (_set("stages.0.synthetic.scenes", {"heigth": 1}), r"stages\[0\]\.synthetic has unknown keys heigth"),
    (_set("validation.seed", 1), "validation has unknown keys seed: known are every"),
    # Missing tables and keys.
    (_drop("model"), "the recipe lacks model"),
    (_drop("optimizer"), "the recipe lacks optimizer"),
    (_drop("stages"), "the recipe lacks stages"),
    (_drop("validation"), "the recipe lacks validation"),
    (_set("stages", []), r"at least one \[\[stages\]\] table"),
    (_drop("stages.0.steps"), r"stages\[0\]: a stage needs steps or epochs"),
    (_drop("stages.1.batch_size"), r"stages\[1\] lacks batch_size"),
    (_drop("stages.1.synthetic"), r"stages\[1\]: it needs synthetic = \{ seed, height"),
    (_drop("stages.1.synthetic.seed"), r"stages\[1\]\.synthetic lacks seed"),
    (_drop("validation.every"), "validation lacks every"),
    (_drop("validation.synthetic"), "validation: it needs synthetic = .* or data = .*neither"),
    # Wrong types.
    (_set("model", "nano"), "model must be a table, not 'nano'"),
    (_set("validation", 3), "validation must be a table, not 3"),
    (_set("stages", {"steps": 5}), r"stages must be tables that begin with \[\[stages\]\]"),
    (_set("stages", [3]), r"stages\[0\] must be a table, not 3"),
    (_set("stages.0.synthetic.scenes", 3), r"stages\[0\]\.synthetic must be a table, not 3"),
    (_set("stages.0.steps", "10"), r"stages\[0\]: steps is '10': it must be a whole number"),
    (_set("stages.0.steps", 1.5), r"stages\[0\]: steps is 1\.5: it must be a whole number"),
    (_set("stages.0.steps", True), "steps is True: it must be a whole number"),
    (_set("stages.0.flow_weight", "1"), "flow_weight is '1': it must be a number"),
    (_set("stages.0.flow_weight", float("nan")), "flow_weight is nan: it must be finite"),
    (_set("stages.0.synthetic.height", 32.0), "height is 32.0: it must be a whole number"),
    (_set("optimizer.learning_rate", "1e-3"), "optimizer: learning_rate is '1e-3': it must be a number"),
    (_set("optimizer.learning_rate", True), "learning_rate is True: it must be a number"),
    (_set("optimizer.learning_rate", float("inf")), "learning_rate is inf: it must be finite"),
    (_set("optimizer.autocast", True), "autocast is 'True': choose auto, bf16 or off"),
    (_set("model.train_backbone", "yes"), "train_backbone is 'yes': it must be true or false"),
    (_set("model.backbone", ["nano"]), r"backbone is \['nano'\]: it must be text"),
    (_set("model.backbone_weights", 5), "backbone_weights is 5: it must be text"),
    (_set("seed", "5"), "the recipe: seed is '5': it must be a whole number"),
    # Out of range.
    (_set("stages.0.steps", -1), r"stages\[0\]: steps is -1: it must be 0 or more"),
    (_set("stages.0.batch_size", 0), r"stages\[0\]: batch_size is 0: it must be 1 or more"),
    (_set("stages.1.flow_weight", -1.0), r"stages\[1\]: .*-1\.0"),
    (_set("stages.1.flow_weight", 0), r"stages\[1\]: .*one must be above"),
    (_set("stages.0.synthetic.renderer", "gpu"), "renderer is 'gpu': choose one of auto, numpy, torch"),
    (_set("validation.synthetic.renderer", "torch"), "validation: renderer is 'torch': held-out scenes"),
    (_set("stages.0.synthetic.textures", 3), "textures is 3: it must be text in quotes"),
    (_set("stages.0.flow_exponent", 0.0), r"flow_exponent is 0.0: it must be above 0, up to 1"),
    (_set("stages.0.flow_exponent", 1.5), r"flow_exponent is 1.5"),
    (_set("stages.0.synthetic.height", 40), r"stages\[0\]\.synthetic: scenes of 40x48: .*multiples of 16"),
    (_set("stages.0.synthetic.width", 8), r"stages\[0\]\.synthetic: width is 8; give a value from 16"),
    (_set("stages.0.synthetic.max_motion", 33), "max_motion is 33; give a value from 0 to 32"),
    (_set("stages.0.synthetic.seed", -1), r"stages\[0\]\.synthetic: seed is -1: it must be 0 or more"),
    (_set("validation.every", 0), "validation: every is 0: it must be 1 or more"),
    (_set("validation.pairs", 0), "validation: pairs is 0: it must be 1 or more"),
    (_set("model.backbone", "vits14"), "backbone is 'vits14': choose one of nano, small, vits16"),
    (_set("optimizer.learning_rate", 0), "optimizer: learning_rate is 0: it must be above 0"),
    (_set("optimizer.warmup_steps", -1), "optimizer: warmup_steps is -1: it must be 0 or more"),
    (_set("optimizer.weight_decay", -0.1), "optimizer: weight_decay is -0.1: it must be 0 or more"),
    (_set("optimizer.decay_power", -1), "optimizer: decay_power is -1: it must be 0 or more"),
    (_set("optimizer.clip_norm", -1), "optimizer: clip_norm is -1: it must be 0 or more"),
    (_set("optimizer.ema_decay", 1.0), "optimizer: ema_decay is 1.0: .*below 1"),
    (_set("optimizer.autocast", "fp16"), "autocast is 'fp16': choose auto, bf16 or off"),
    (_set("seed", -1), "seed is -1: it must be 0 or more"),
    (_set("checkpoint_every", 0), "checkpoint_every is 0: it must be 1 or more"),
    (_set("log_every", 0), "log_every is 0: it must be 1 or more"),
    (_set("workers", -1), "workers is -1: it must be 0 or more"),
    (_set("flow_cap", 0), "flow_cap is 0: it must be above 0 px"),
    # Parts that do not go together.
    (_set("validation.synthetic.seed", 2), "validation seed 2 is a stage's too"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_mistake_is_named_with_its_fix(change, message):
    values = _tiny()
    change(values)
    with pytest.raises(InputError, match=message):
        Recipe.from_dict(values)


@pytest.mark.parametrize("learning_rate", [float("nan"), float("inf"), -1.0])
def test_sections_made_in_python_are_checked_too(learning_rate):
    with pytest.raises(InputError, match=r"learning_rate is .*: it must be above 0"):
        OptimizerSection(learning_rate=learning_rate)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed = 1\nx = \n", r"broken\.toml is not valid TOML: .*line 2"),
        (b"seed = 1\nseed = 2\n", r"broken\.toml is not valid TOML: .*overwrite"),
        (b"\xff\xfe", r"recipe .*broken\.toml cannot be read: .*utf-8"),
        (b"", r"recipe .*broken\.toml: the recipe lacks model, optimizer, stages, validation"),
        (b"[validation]\nevery = 1", r"recipe .*broken\.toml: validation: it needs synthetic"),
        (None, r"recipe .*broken\.toml: No such file or directory: check the name"),
    ],
)
def test_a_file_that_is_no_recipe_is_named(tmp_path, content, message):
    path = tmp_path / "broken.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_recipe(str(path))


@pytest.mark.parametrize("name", ["nanoo", "", "../recipe", "recipes/nano"])
def test_an_unknown_name_lists_the_known(name):
    with pytest.raises(InputError, match=r"no recipe '.*': choose one of .*nano.*, or pass a \.toml file"):
        load_recipe(name)


def test_a_stage_needs_no_more_than_its_data():
    recipe = Recipe.from_dict(_tiny())
    assert isinstance(recipe.stages[1].synthetic, SyntheticSection)
    stage = Stage(batch_size=1, steps=1, synthetic=recipe.stages[1].synthetic)
    assert (stage.flow_weight, stage.matching_weight) == (1.0, 0.0)
