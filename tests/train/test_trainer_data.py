"""Training on data sets in files: resumed in the middle of an epoch, in parts, and with damaged files."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dinoflow_deploy.errors import FileFormatError, TrainingError
from dinoflow_deploy.flow import write_flow
from dinoflow_deploy.train.batches import training_batches
from dinoflow_deploy.train.data_folder import DataFolder
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, save_model
from dinoflow_deploy.train.opened_recipe import open_recipe
from dinoflow_deploy.train.recipe import Recipe
from dinoflow_deploy.train.trainer import train
from tests.train.data_recipe import data_recipe, data_tables, write_trees
from tests.train.micro import CPU, Recorder, assert_equal
from tests.train.test_trainer import _InterruptedAt

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path) -> DataFolder:
    return DataFolder(str(write_trees(tmp_path / "trees")))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, micro) -> tuple[Path, DataFolder]:
    """A run from start to end, and what it was trained on: to be read only."""
    folder = tmp_path_factory.mktemp("whole")
    data = DataFolder(str(write_trees(folder / "trees")))
    train(data_recipe(), folder / "run", CPU, data=data)
    return folder / "run", data


def with_stages(recipe: Recipe, **changes) -> Recipe:
    return dataclasses.replace(
        recipe, stages=tuple(dataclasses.replace(stage, **changes) for stage in recipe.stages)
    )


@pytest.mark.parametrize("steps", [2, 4, 8])
def test_a_run_interrupted_within_an_epoch_resumes_exactly(tmp_path, whole, steps) -> None:
    recipe = data_recipe()
    straight, data = whole
    stopped = train(recipe, tmp_path / "run", CPU, data=data, progress=_InterruptedAt(steps))
    assert (stopped.step, stopped.finished) == (steps, False)
    recorder = Recorder()
    result = train(recipe, tmp_path / "run", CPU, data=data, resume=True, progress=recorder)
    assert (result.step, result.finished) == (11, True)
    for name in ("checkpoint", "best", "last"):
        files = [load_file(run / f"{name}.safetensors") for run in (straight, tmp_path / "run")]
        assert_equal(*files)
    assert (
        "13 pairs an epoch (13 FlyingChairs train), 3 steps of 4 an epoch, 6 steps (2 epochs)"
        in recorder.notes[0]
    )
    assert "flyingchairs val" in recorder.notes[-1]


def test_processes_and_loaders_share_the_same_samples_out(data, micro) -> None:
    alone = [batch for _, batch in training_batches(open_recipe(data_recipe(), data), 4, 0, 1, CPU.device)]
    loading = dataclasses.replace(data_recipe(), workers=2)
    parts = [
        [batch for _, batch in training_batches(open_recipe(loading, data), 4, rank, 2, CPU.device)]
        for rank in range(2)
    ]
    assert len(alone) == 7
    for whole, first, second in zip(alone, *parts, strict=True):
        assert first.names + second.names == whole.names
        for name in ("image1", "image2", "flow", "valid"):
            shares = [getattr(first, name), getattr(second, name)]
            assert torch.equal(torch.cat(shares), getattr(whole, name))


def test_parts_are_the_batch(data, micro) -> None:
    _, batch = next(training_batches(open_recipe(data_recipe(), data), 0, 0, 1, CPU.device))
    assert batch.parts(0)[0].names == batch.names
    assert [len(part.names) for part in batch.parts(3)] == [3, 1]
    assert torch.equal(torch.cat([part.flow for part in batch.parts(2)]), batch.flow)


def test_with_frozen_statistics_parts_learn_what_the_batch_learns(tmp_path, data, micro) -> None:
    """Every pair's pixels are all valid here: the mean over parts is that over the batch."""
    torch.manual_seed(1)
    start = tmp_path / "start.safetensors"
    save_model(FlowModel(FlowModelConfig(micro)), start)
    recipe = with_stages(data_recipe(), freeze_batch_norm=True)
    recipe = dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, train_backbone=False))
    train(recipe, tmp_path / "whole", CPU, data=data, init_from=start)
    train(with_stages(recipe, micro_batch=1), tmp_path / "parts", CPU, data=data, init_from=start)
    whole, parts = (load_file(tmp_path / run / "last.safetensors") for run in ("whole", "parts"))
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=5e-6, rtol=1e-5, msg=name)


def test_a_part_that_does_not_divide_the_share_is_refused(tmp_path, data, micro) -> None:
    recipe = with_stages(data_recipe(), micro_batch=3)
    with pytest.raises(TrainingError, match="micro_batch 3 of stage 0 does not divide the 4 pairs"):
        train(recipe, tmp_path / "run", CPU, data=data)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_file_stops_training_and_is_named(tmp_path, data, micro, workers) -> None:
    for path in Path(str(data.source)).glob("FlyingChairs/data/*_img2.ppm"):
        path.write_bytes(path.read_bytes()[:1000])
    recipe = dataclasses.replace(data_recipe(), workers=workers)
    with pytest.raises(FileFormatError, match=r"data/\d{5}_img2\.ppm") as stopped:
        train(recipe, tmp_path / "run", CPU, data=data)
    assert "Traceback" not in str(stopped.value)
    assert not (tmp_path / "run/checkpoint.safetensors").exists()


def test_other_pairs_than_before_are_not_resumed(tmp_path, data, micro) -> None:
    train(data_recipe(), tmp_path / "run", CPU, data=data, progress=_InterruptedAt(3))
    split = next(Path(str(data.source)).glob("FlyingChairs/*.txt"))
    split.write_text(split.read_text()[::-1].strip())
    with pytest.raises(TrainingError, match="trained on other pairs than the data sets hold now"):
        train(data_recipe(), tmp_path / "run", CPU, data=data, resume=True)


def test_labels_that_are_no_number_reach_no_loss(tmp_path, data, micro) -> None:
    for path in Path(str(data.source)).glob("FlyingChairs/data/*_flow.flo"):
        flow = np.zeros((64, 80, 2), np.float32)
        flow[20:30, 20:40] = np.nan
        valid = np.isfinite(flow).all(axis=-1)
        path.unlink()
        write_flow(path, np.where(valid[..., None], flow, 1e10).astype(np.float32), valid)
    tables = data_tables()
    tables["stages"] = tables["stages"][:1]
    recorder = Recorder()
    result = train(Recipe.from_dict(tables), tmp_path / "run", CPU, data=data, progress=recorder)
    assert result.finished
    assert all(np.isfinite(figures["loss"]) for figures in recorder.figures)
    assert max(figures["loss"] for figures in recorder.figures) < 100
