"""What a step trains on depends on the recipe and the step alone."""

import dataclasses
import multiprocessing
import os
import random
import signal

import cv2
import numpy as np
import pytest
import torch

from dinoflow_deploy.datasets import SyntheticScenes
from dinoflow_deploy.train import opened_recipe
from dinoflow_deploy.train.batches import Batch, training_batches, validation_samples
from dinoflow_deploy.train.opened_recipe import open_recipe
from dinoflow_deploy.train.recipe import Recipe, Stage
from dinoflow_deploy.train.torch_scenes import SceneRenderer
from tests.train.micro import micro_recipe

pytestmark = pytest.mark.slow

Step = tuple[Stage, Batch]


def _steps(recipe: Recipe, first: int = 0, rank: int = 0, world_size: int = 1) -> list[Step]:
    return list(training_batches(open_recipe(recipe), first, rank, world_size, torch.device("cpu")))


def _assert_same(first: Batch, second: Batch) -> None:
    assert first.names == second.names
    for name in ("image1", "image2", "flow", "valid"):
        assert torch.equal(getattr(first, name), getattr(second, name)), name


@pytest.fixture
def opencv_threads():
    """OpenCV's thread pool at work in this process, on which a forked child would wait for ever."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.float32), (0, 0), 3)
    yield
    cv2.setNumThreads(threads)


@pytest.fixture
def recipe(tmp_path, micro) -> Recipe:
    return micro_recipe(tmp_path)


def test_steps_run_through_the_scenes_of_each_stage(recipe):
    steps = _steps(recipe)
    assert [stage for stage, _ in steps] == [recipe.stages[0]] * 4 + [recipe.stages[1]] * 6
    expected = [[f"synthetic/seed=1/index={2 * step + pair}" for pair in range(2)] for step in range(4)]
    expected += [[f"synthetic/seed=2/index={4 * step + pair}" for pair in range(4)] for step in range(6)]
    assert [list(batch.names) for _, batch in steps] == expected


def test_a_batch_holds_the_pairs_it_names(recipe):
    stage, batch = _steps(recipe)[2]
    scenes = SyntheticScenes(stage.synthetic.scenes, 1, 100)
    for position, sample in enumerate((scenes[4], scenes[5])):
        assert batch.names[position] == sample.name
        assert np.array_equal(batch.image1[position].numpy(), sample.frame1.transpose(2, 0, 1))
        assert np.array_equal(batch.image2[position].numpy(), sample.frame2.transpose(2, 0, 1))
        assert np.array_equal(batch.flow[position].numpy(), sample.flow.transpose(2, 0, 1))
        assert np.array_equal(batch.valid[position].numpy(), sample.valid)
    assert (batch.image1.dtype, batch.flow.dtype, batch.valid.dtype) == (
        torch.uint8,
        torch.float32,
        torch.bool,
    )


@pytest.mark.parametrize("first", [1, 3, 4, 7, 9, 10])
def test_a_resumed_run_sees_what_the_first_would_have_seen(recipe, first):
    whole = _steps(recipe)
    resumed = _steps(recipe, first)
    assert len(resumed) == 10 - first
    for (stage, batch), (other_stage, other) in zip(whole[first:], resumed, strict=True):
        assert stage == other_stage
        _assert_same(batch, other)


def test_ranks_share_each_batch_out(recipe):
    parts = [_steps(recipe, rank=rank, world_size=2) for rank in range(2)]
    for (_, whole), (_, first), (_, second) in zip(_steps(recipe), *parts, strict=True):
        assert len(first.names) == len(second.names) > 0
        assert first.names + second.names == whole.names
        assert torch.equal(torch.cat([first.flow, second.flow]), whole.flow)


@pytest.mark.parametrize("workers", [1, 2])
def test_loader_processes_change_nothing(tmp_path, recipe, workers, opencv_threads):
    for (_, alone), (_, loaded) in zip(
        _steps(recipe), _steps(micro_recipe(tmp_path, workers=workers)), strict=True
    ):
        _assert_same(alone, loaded)
    held_out = open_recipe(recipe).held_out
    pairs = [list(validation_samples(held_out, 0, 1, count)) for count in (0, workers)]
    for (name, alone), (other_name, loaded) in zip(*pairs, strict=True):
        assert name == other_name
        assert alone.name == loaded.name
        for array in ("frame1", "frame2", "flow", "valid", "occluded"):
            np.testing.assert_array_equal(getattr(alone, array), getattr(loaded, array))


@pytest.mark.parametrize("workers", [0, 1])
def test_no_global_generator_is_drawn_from(tmp_path, micro, workers):
    recipe = micro_recipe(tmp_path, workers=workers)
    torch.manual_seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    _steps(recipe, 8)
    list(validation_samples(open_recipe(recipe).held_out, 0, 1, workers))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert random.getstate() == before[2]


def test_the_global_generator_does_not_change_the_data(recipe):
    torch.manual_seed(1)
    first = _steps(recipe, 8)
    torch.manual_seed(2)
    for (_, batch), (_, other) in zip(first, _steps(recipe, 8), strict=True):
        _assert_same(batch, other)


def test_ctrl_c_leaves_loader_processes_at_work(tmp_path, micro, at_a_terminal):
    """It is sent to the whole process group, while the training process wants to finish its step."""
    batches = training_batches(open_recipe(micro_recipe(tmp_path, workers=1)), 0, 0, 1, torch.device("cpu"))
    received = [next(batches)]
    for worker in multiprocessing.active_children():
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGINT)
    received += batches
    assert len(received) == 10


@pytest.mark.parametrize(("world_size", "shares"), [(1, [3]), (2, [2, 1]), (3, [1, 1, 1])])
def test_validation_pairs_are_shared_out_once_each(recipe, world_size, shares):
    held_out = open_recipe(recipe).held_out
    parts = [list(validation_samples(held_out, rank, world_size, 0)) for rank in range(world_size)]
    assert [len(part) for part in parts] == shares
    names = sorted(sample.name for part in parts for _, sample in part)
    assert names == [f"synthetic/seed=3/index={index}" for index in range(3)]


@pytest.fixture
def by_torch(recipe, monkeypatch) -> Recipe:
    """Stages of scenes that torch draws, of few textures."""
    assert SceneRenderer.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(SceneRenderer.__init__.__kwdefaults__, "patterns", 2)
    scenes = [dataclasses.replace(stage.synthetic, renderer="torch") for stage in recipe.stages]
    return dataclasses.replace(
        recipe,
        stages=tuple(
            dataclasses.replace(stage, synthetic=each)
            for stage, each in zip(recipe.stages, scenes, strict=True)
        ),
    )


def test_scenes_of_torch_are_shared_out_and_resumed_like_others(by_torch):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    whole = _steps(by_torch)
    names = [f"synthetic-torch/seed=2/index={4 + pair}" for pair in range(4)]
    assert whole[5][1].names == tuple(names)
    parts = [_steps(by_torch, 3, rank, 2) for rank in range(2)]
    for (stage, batch), (_, first), (_, second) in zip(whole[3:], *parts, strict=True):
        assert first.names + second.names == batch.names
        height, width = stage.synthetic.scenes.height, stage.synthetic.scenes.width
        assert batch.valid.all()
        assert batch.valid.shape == (len(batch.names), height, width)
        for name in ("image1", "image2", "flow", "valid"):
            assert torch.equal(torch.cat([getattr(first, name), getattr(second, name)]), getattr(batch, name))
    assert torch.equal(torch.get_rng_state(), before)


def test_torch_draws_where_it_is_asked_to_and_on_a_gpu_unless_asked_not_to(recipe, by_torch):
    section = recipe.stages[0].synthetic
    assert [section.drawn_by_torch(device) for device in ("cpu", "cuda")] == [False, True]
    section = dataclasses.replace(section, renderer="numpy")
    assert not section.drawn_by_torch("cuda")
    assert by_torch.stages[0].synthetic.drawn_by_torch("cpu")
    assert all(isinstance(each.pairs, SyntheticScenes) for each in open_recipe(by_torch).held_out)


def test_that_torch_draws_is_said_and_of_how_many_photographs(by_torch, tmp_path, monkeypatch):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((40, 40), 90, np.uint8))
    stage = by_torch.stages[0]
    section = dataclasses.replace(stage.synthetic, textures=str(tmp_path))
    changed = dataclasses.replace(by_torch, stages=(dataclasses.replace(stage, synthetic=section),))
    (planned,) = open_recipe(changed).stages
    said = "scenes drawn by torch on cpu, without loader processes"
    assert planned.describe_device(torch.device("cpu")) == said
    monkeypatch.setattr(opened_recipe, "MOST_PHOTOGRAPHS", 2)
    assert planned.describe_device(torch.device("cpu")) == f"{said}, from 2 of the 3 photographs"
    numpy = dataclasses.replace(section, renderer="numpy")
    assert (
        dataclasses.replace(
            planned, stage=dataclasses.replace(planned.stage, synthetic=numpy)
        ).describe_device(torch.device("cuda"))
        is None
    )


def test_images_become_floats_from_0_to_1_on_the_device(recipe):
    _, batch = _steps(recipe, 9)[0]
    batch.image1[0, 0, 0, :2] = torch.tensor([0, 255], dtype=torch.uint8)
    moved = batch.to(torch.device("cpu"))
    assert moved.image1.dtype == moved.image2.dtype == torch.float32
    assert torch.equal(moved.image1[0, 0, 0, :2], torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(moved.image2 * 255, batch.image2.float())
    assert torch.equal(moved.flow, batch.flow)
    assert torch.equal(moved.valid, batch.valid)
    assert moved.names == batch.names
