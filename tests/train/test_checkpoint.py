"""A checkpoint brings back everything, exactly, and refuses what does not belong to the run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import AdamW

from dinoflow_deploy.errors import DinoFlowError, FileFormatError, InputError, TrainingError
from dinoflow_deploy.train import checkpoint
from dinoflow_deploy.train.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from dinoflow_deploy.train.distributed import Process
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, save_model
from dinoflow_deploy.train.model.model_file import CHECKPOINT_KEY
from dinoflow_deploy.train.recipe import Recipe
from dinoflow_deploy.train.weight_average import WeightAverage
from tests.train.micro import CPU, assert_equal, micro_recipe

pytestmark = pytest.mark.slow


def _state(seed: int) -> TrainingState:
    torch.manual_seed(seed)
    model = FlowModel(FlowModelConfig("micro")).to(memory_format=torch.channels_last).train()
    return TrainingState(model, AdamW(model.parameters(), lr=1e-3), WeightAverage(model, 0.9))


def _train(state: TrainingState, steps: int) -> None:
    """Steps that draw random numbers and leave some parameters without gradients, as stages do."""
    for _ in range(steps):
        image1, image2 = torch.rand(2, 1, 3, 32, 32)
        volume, _ = state.model.compare(image1, image2)
        state.optimizer.zero_grad()
        volume.square().mean().backward()
        state.optimizer.step()
        assert state.average is not None
        state.average.update(state.model, state.step)
        state.step += 1


def _everything(state: TrainingState) -> dict[str, Tensor]:
    assert state.average is not None
    tensors = {f"model.{name}": value for name, value in state.model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in state.average.model.state_dict().items()}
    for index, values in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    return tensors | {"random": torch.get_rng_state(), "step": torch.tensor(state.step)}


@pytest.fixture
def recipe(tmp_path, micro) -> Recipe:
    return micro_recipe(tmp_path)


@pytest.fixture
def saved(tmp_path, recipe) -> Path:
    state = _state(0)
    _train(state, 3)
    state.best_epe = 4.25
    save_checkpoint(tmp_path / "checkpoint.safetensors", state, recipe, CPU)
    return tmp_path / "checkpoint.safetensors"


def test_everything_comes_back_and_goes_on_exactly(tmp_path, recipe):
    path = tmp_path / "checkpoint.safetensors"
    first, second = _state(0), _state(1)
    _train(first, 3)
    first.start_epe, first.best_epe = 4.75, 4.25
    save_checkpoint(path, first, recipe, CPU)
    expected = {name: value.clone() for name, value in _everything(first).items()}
    _train(first, 2)
    torch.manual_seed(99)
    load_checkpoint(path, second, recipe, CPU)
    assert_equal(_everything(second), expected)
    assert (second.start_epe, second.best_epe) == (4.75, 4.25)
    _train(second, 2)
    assert_equal(_everything(second), _everything(first))


def test_moments_lie_in_memory_as_the_optimiser_laid_them(saved, recipe):
    state = _state(1)
    load_checkpoint(saved, state, recipe, CPU)
    moments = [
        (parameter, values[name])
        for parameter, values in state.optimizer.state.items()
        for name in ("exp_avg", "exp_avg_sq")
    ]
    assert any(not parameter.is_contiguous() for parameter, _ in moments)
    assert all(moment.stride() == parameter.stride() for parameter, moment in moments)


def test_parameters_without_gradients_have_no_moments(saved):
    with safe_open(saved, framework="pt") as file:
        indices = {name.split(".")[1] for name in file.keys() if name.startswith("optimizer.")}  # noqa: SIM118
    assert 0 < len(indices) < len(list(_state(0).model.parameters()))


def test_no_validation_yet_is_an_infinite_error(tmp_path, recipe):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, _state(0), recipe, CPU)
    state = _state(1)
    state.best_epe = 1.0
    load_checkpoint(path, state, recipe, CPU)
    assert (state.start_epe, state.best_epe) == (None, float("inf"))
    with safe_open(path, framework="pt") as file:
        # Plain JSON, which has no infinity.
        json.loads(file.metadata()[CHECKPOINT_KEY], parse_constant=pytest.fail)


def test_without_an_average(tmp_path, recipe):
    path = tmp_path / "checkpoint.safetensors"
    first, second = _state(0), _state(1)
    first.average = second.average = None
    save_checkpoint(path, first, recipe, CPU)
    load_checkpoint(path, second, recipe, CPU)
    assert_equal(second.model.state_dict(), first.model.state_dict())
    assert not any(name.startswith("average.") for name in load_file(path))


def test_each_process_has_its_own_random_numbers(tmp_path, recipe, monkeypatch):
    path, expected = tmp_path / "checkpoint.safetensors", []
    states = []
    for rank in range(2):
        torch.manual_seed(rank)
        states.append(torch.get_rng_state())
        expected.append(torch.rand(4))
    monkeypatch.setattr(checkpoint, "gather_objects", lambda _: states)
    first, second = (Process(rank, 2, torch.device("cpu")) for rank in range(2))
    state = _state(0)
    save_checkpoint(path, state, recipe, second)
    assert not path.exists(), "one process writes"
    save_checkpoint(path, state, recipe, first)
    for process in (first, second):
        load_checkpoint(path, _state(1), recipe, process)
        assert torch.equal(torch.rand(4), expected[process.rank])


def test_a_failed_write_leaves_the_last_checkpoint(saved, recipe, monkeypatch):
    before = saved.read_bytes()

    def fail(tensors: object, path: Path, **_: object) -> None:
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", fail)
    with pytest.raises(InputError, match="No space left"):
        save_checkpoint(saved, _state(1), recipe, CPU)
    assert saved.read_bytes() == before
    assert not list(saved.parent.glob("*.partial*"))


@pytest.mark.parametrize("damage", ["truncated", "header", "empty", "missing", "folder", "model", "tensors"])
def test_what_is_no_checkpoint_is_refused_by_name(saved, recipe, damage):
    match damage:
        case "truncated":
            saved.write_bytes(saved.read_bytes()[:-64])
        case "header":
            saved.write_bytes(b"\x00" * 64 + saved.read_bytes()[64:])
        case "empty":
            saved.write_bytes(b"")
        case "missing":
            saved.unlink()
        case "folder":
            saved.unlink()
            saved.mkdir()
        case "model":
            save_model(FlowModel(FlowModelConfig("micro")), saved)
        case "tensors":
            save_file({"model.head": torch.zeros(1)}, saved)
    state = _state(1)
    before = {name: value.clone() for name, value in _everything(state).items()}
    with pytest.raises(FileFormatError, match=r"checkpoint\.safetensors is damaged or is no checkpoint"):
        load_checkpoint(saved, state, recipe, CPU)
    assert_equal(_everything(state), before)


def _rewrite(path: Path, *, drop: str | None = None, **changes: object) -> None:
    """The checkpoint with a tensor left out or metadata changed."""
    with safe_open(path, framework="pt") as file:
        metadata = json.loads(file.metadata()[CHECKPOINT_KEY]) | changes
    tensors = load_file(path)
    if drop:
        del tensors[drop]
    save_file(tensors, path, metadata={CHECKPOINT_KEY: json.dumps(metadata)})


def test_a_checkpoint_of_another_version_is_refused(saved, recipe):
    other = recipe.to_dict() | {"momentum": 0.9}
    _rewrite(saved, recipe=other)
    with pytest.raises(TrainingError, match=r"another version of dinoflow-deploy .*unknown keys momentum"):
        load_checkpoint(saved, _state(1), recipe, CPU)


def test_a_checkpoint_of_another_architecture_is_refused_by_names(saved, recipe):
    _rewrite(saved, drop="model.head.output_conv.4.bias")
    with pytest.raises(
        DinoFlowError, match=r"checkpoint\.safetensors does not fit .*head\.output_conv\.4\.bias"
    ):
        load_checkpoint(saved, _state(1), recipe, CPU)


def test_another_recipe_is_refused_with_what_differs(saved, recipe):
    other = replace(
        recipe, seed=6, optimizer=replace(recipe.optimizer, learning_rate=1e-4), stages=recipe.stages[:1]
    )
    state = _state(1)
    before = {name: value.clone() for name, value in _everything(state).items()}
    with pytest.raises(TrainingError) as refusal:
        load_checkpoint(saved, state, other, CPU)
    for part in ("checkpoint.safetensors", "another recipe (optimizer, stages, seed differ)", "--init-from"):
        assert part in str(refusal.value)
    assert_equal(_everything(state), before)


def test_the_number_of_loader_processes_may_differ(saved, recipe):
    state = _state(1)
    load_checkpoint(saved, state, replace(recipe, workers=7), CPU)
    assert state.step == 3


def test_another_number_of_processes_is_refused(saved, recipe):
    message = r"written by 1 processes and this run has 2: resume with the same number.*--init-from"
    with pytest.raises(TrainingError, match=message):
        load_checkpoint(saved, _state(1), recipe, Process(0, 2, torch.device("cpu")))
