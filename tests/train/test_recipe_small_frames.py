"""The recipe ``small-frames``: the walk of docs/training.md ends with a better model than it starts from."""

import dataclasses

import numpy as np
import pytest

from dinoflow_deploy.datasets.registry import open_dataset
from dinoflow_deploy.datasets.scenes.synthetic_tree import write_synthetic_tree
from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.train.data_folder import DataFolder
from dinoflow_deploy.train.recipe import load_recipe
from dinoflow_deploy.train.trainer import train
from tests.train.micro import CPU

pytestmark = pytest.mark.slow

SIZE = (64, 96)


def test_tuning_on_a_sixth_of_the_trees_improves_on_other_scenes(tmp_path) -> None:
    trees = tmp_path / "trees"
    write_synthetic_tree("chairs", trees / "FlyingChairs", pairs=64, size=SIZE)
    write_synthetic_tree("things", trees / "FlyingThings3D", pairs=10, size=SIZE, seed=1)
    write_synthetic_tree("sintel", tmp_path / "sintel", pairs=10, size=SIZE, seed=2)
    start = builtin_models()["nano"].weights
    recipe = dataclasses.replace(load_recipe("small-frames"), workers=0)
    result = train(recipe, tmp_path / "run", CPU, init_from=start, data=DataFolder(str(trees)))
    before, after = (_epe(weights, tmp_path / "sintel") for weights in (start, result.folder.last))
    assert after < 0.9 * before


def _epe(weights, root) -> float:
    pairs = list(open_dataset("sintel-clean", root))
    with load_engine(weights, device="cpu") as engine:
        errors = [np.linalg.norm(engine(each.frame1, each.frame2) - each.flow, axis=-1) for each in pairs]
    return float(np.mean(errors))
