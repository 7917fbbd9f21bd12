"""Counts and rates of a run, on full-size file lists that no disk holds."""

import tomllib
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoflow_deploy.datasets.readers import file_tree
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.train.data_folder import DataFolder
from dinoflow_deploy.train.opened_recipe import open_recipe
from dinoflow_deploy.train.recipe import Recipe, load_recipe
from tests.train.data_recipe import data_tables, write_trees
from tests.train.micro import micro_recipe
from tests.train.tiny_recipe import TINY

pytestmark = pytest.mark.slow

PAIRS, VALIDATION = 22872, 640
# 2239 and 437 scenes, shared out somehow among the three parts.
SCENES = {"TRAIN": {"A": 750, "B": 745, "C": 744}, "TEST": {"A": 150, "B": 150, "C": 137}}


@pytest.fixture(scope="module")
def full_size(tmp_path_factory) -> Path:
    """The folders that are looked for at the top; what is in them is made up by ``listing``."""
    root = tmp_path_factory.mktemp("full")
    for name in ("FlyingChairs/data", "FlyingThings3D/frames_cleanpass", "FlyingThings3D/frames_finalpass"):
        (root / name).mkdir(parents=True)
    for split in SCENES:
        for name in ("frames_cleanpass", "frames_finalpass", "optical_flow"):
            (root / "FlyingThings3D" / name / split).mkdir(parents=True)
    marks = ["2" if number < VALIDATION else "1" for number in range(PAIRS)]
    (root / "FlyingChairs/FlyingChairs_train_val.txt").write_text("\n".join(marks))
    return root


def listing(folder: Path) -> file_tree._Entries:
    """What a complete data set has in a folder."""
    if folder.name == "data":
        stems = (f"{number + 1:05d}" for number in range(PAIRS))
        return files(
            name for stem in stems for name in (f"{stem}_img1.ppm", f"{stem}_img2.ppm", f"{stem}_flow.flo")
        )
    parts = folder.parts[folder.parts.index("FlyingThings3D") + 1 :]
    if len(parts) == 1:
        return folders(SCENES)
    if len(parts) == 2:
        return folders(SCENES[parts[1]])
    if len(parts) == 3:
        return folders(f"{number:04d}" for number in range(SCENES[parts[1]][parts[2]]))
    numbers = range(6, 16)
    if parts[0] == "optical_flow":
        if len(parts) == 4:
            return folders(("into_future", "into_past"))
        if len(parts) == 5:
            return folders(("left", "right"))
        direction, side = parts[4].removeprefix("into_").capitalize(), parts[5][0].upper()
        return files(f"OpticalFlowInto{direction}_{number:04d}_{side}.pfm" for number in numbers)
    if len(parts) == 4:
        return folders(("left", "right"))
    return files(f"{number:04d}.png" for number in numbers)


def files(names) -> file_tree._Entries:
    return file_tree._Entries(files=frozenset(names))


def folders(names) -> file_tree._Entries:
    return file_tree._Entries(folders=frozenset(names))


@pytest.fixture(scope="module")
def data(full_size) -> DataFolder:
    """Opens each data set once for all tests."""
    folder = DataFolder(str(full_size))
    folder.open = cache(folder.open)
    return folder


@pytest.fixture
def opened_by_name(data, monkeypatch):
    monkeypatch.setattr(file_tree, "_list", listing)
    return lambda name: open_recipe(load_recipe(name), data)


def test_chairs_things_is_the_cards_figures(opened_by_name) -> None:
    opened = opened_by_name("chairs-things")
    samples = opened.stages[0].samples
    assert [len(source) for source in samples.sources] == [22232, 40302, 40302]
    assert len(samples) == 102_836
    assert samples.steps_per_epoch == 2142
    assert opened.total_steps == 51_408
    assert opened.stages[0].rate.warmup_steps == 4284
    assert [len(each.indices) for each in opened.held_out] == [640, 640]
    recipe = opened.recipe
    assert (recipe.model.backbone, recipe.model.train_backbone) == ("vits16", False)
    assert (recipe.flow_cap, recipe.optimizer.autocast) == (400.0, "bf16")
    assert opened.learning_rate(4283) == opened.learning_rate(4284) == 4e-4
    assert 0 < opened.learning_rate(51_407) < 1e-7
    line, last = opened.describe()
    for part in ("102836 pairs", "22232 FlyingChairs", "40302 FlyingThings3D", "2142 steps of 48", "4284"):
        assert part in line
    assert "51408 steps in all, validated on 640 pairs of flyingchairs val" in last


def test_chairs_then_things_has_as_many_steps_and_a_schedule_for_each(opened_by_name) -> None:
    opened = opened_by_name("chairs-then-things")
    assert [stage.steps for stage in opened.stages] == [24 * 463, 24 * 1679]
    assert opened.total_steps == 51_408
    assert [stage.rate.warmup_steps for stage in opened.stages] == [926, 3358]
    assert [stage.rate.peak for stage in opened.stages] == [4e-4, 2e-4]
    second = opened.stages[1].first_step
    assert opened.learning_rate(second - 1) < 1e-6
    assert opened.learning_rate(second) == pytest.approx(2e-4 / 3358)
    assert opened.learning_rate(second + 3357) == pytest.approx(2e-4)


def test_every_recipe_of_data_sets_takes_the_vits16_taps() -> None:
    from dinoflow_deploy.train.model.config import BACKBONES

    assert tuple(BACKBONES["vits16"].taps) == (2, 5, 8, 11)


def test_one_schedule_for_the_run_goes_on_over_stages(tmp_path, micro) -> None:
    opened = open_recipe(micro_recipe(tmp_path))
    rates = [opened.learning_rate(step) for step in range(opened.total_steps)]
    assert rates[:2] == [5e-4, 1e-3]
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert opened.describe()[1] == "stage 1: synthetic scenes, 6 steps of 4 pairs"


def test_photographs_are_counted_and_belong_to_the_run(tmp_path, micro) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    shade = np.arange(40, dtype=np.uint8)[None].repeat(40, 0)
    cv2.imwrite(str(photographs / "one.png"), shade)
    tables = tomllib.loads(TINY.format(workers=0))
    tables["stages"][1]["synthetic"]["textures"] = str(photographs)
    recipe = Recipe.from_dict(tables)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    opened = open_recipe(recipe)
    assert opened.describe()[1] == "stage 1: synthetic scenes from 1 photograph, 6 steps of 4 pairs"
    drawn, cut = opened.fingerprints()
    assert (drawn, len(cut)) == ("", 64)
    cv2.imwrite(str(photographs / "one.png"), shade[::2])
    with pytest.raises(InputError, match=r"one\.png is 40x20"):
        open_recipe(recipe)
    cv2.imwrite(str(photographs / "one.png"), shade.T)
    assert opened.fingerprints()[1] != cut


def test_a_warm_up_as_long_as_its_schedule_is_refused(tmp_path, micro) -> None:
    with pytest.raises(InputError, match="warm-up has 10 steps: it must be below the 10 of its schedule"):
        open_recipe(micro_recipe(tmp_path, warmup_steps="10"))
    assert open_recipe(micro_recipe(tmp_path, warmup_steps="9")).total_steps == 10


def test_too_few_pairs_for_a_batch_are_refused(tmp_path, micro) -> None:
    tables = data_tables()
    tables["stages"][0]["batch_size"] = 50
    with pytest.raises(InputError, match="stage 0 has 13 pairs, fewer than a batch of 50"):
        open_recipe(Recipe.from_dict(tables), DataFolder(str(write_trees(tmp_path))))


def test_data_sets_need_a_folder(micro) -> None:
    with pytest.raises(InputError, match="trains on flyingchairs: pass --dataset DIR"):
        open_recipe(Recipe.from_dict(data_tables()))
