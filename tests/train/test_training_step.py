"""A step does not wait for the device."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dinoflow_deploy.errors import TrainingError
from dinoflow_deploy.train import training_step
from dinoflow_deploy.train.batches import Batch, training_batches
from dinoflow_deploy.train.distributed import Process
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig
from dinoflow_deploy.train.objective import Objective
from dinoflow_deploy.train.opened_recipe import open_recipe
from dinoflow_deploy.train.recipe import Recipe, Stage
from dinoflow_deploy.train.training_step import TrainingStep, training_state
from tests.train.micro import CPU, micro_recipe


class _Reads(TorchDispatchMode):
    """Counts values that Python asks a tensor for, for which it would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
        return func(*args, **(kwargs or {}))


def _step(recipe: Recipe, process: Process) -> tuple[TrainingStep, Stage, Batch]:
    state = training_state(FlowModel(FlowModelConfig(recipe.model.backbone)), recipe, process)
    stage, batch = next(training_batches(open_recipe(recipe), 4, 0, 1, device=process.device))
    return TrainingStep(recipe, process, state), stage, batch


def test_a_step_asks_for_no_value_and_a_look_for_all(tmp_path, micro, monkeypatch):
    monkeypatch.setattr(training_step, "runs_ahead", lambda device: True)
    step, stage, batch = _step(micro_recipe(tmp_path), CPU)
    with _Reads() as reads:
        for _ in range(2):
            step(stage, batch, 1e-3)
    assert reads.count == 0
    figures = step.look()
    assert figures["loss"] > 0
    assert step.look() == {}
    with reads:
        torch.ones(2).sum().item()
    assert reads.count == 1, "what is counted is seen"


def test_a_gradient_that_is_not_finite_moves_nothing_before_it_is_seen(tmp_path, micro, monkeypatch):
    monkeypatch.setattr(training_step, "runs_ahead", lambda device: True)
    step, stage, batch = _step(micro_recipe(tmp_path), CPU)
    state = step._state
    step(stage, batch, 1e-3)
    weights = [parameter.detach().clone() for parameter in state.model.parameters()]
    original = Objective.forward
    with monkeypatch.context() as patched:
        patched.setattr(Objective, "forward", lambda *arguments: original(*arguments) * torch.nan)
        step(stage, batch, 1e-3)
    assert all(map(torch.equal, state.model.parameters(), weights))
    step(stage, batch, 1e-3)
    assert not any(map(torch.equal, state.model.head.output_conv.parameters(), weights[-6:]))
    assert state.average is not None
    for model in (state.model, state.average.model):
        assert all(value.isfinite().all() for value in model.state_dict().values())
    with pytest.raises(TrainingError, match="the loss is nan at step 0"):
        step.look()


@pytest.mark.gpu
def test_a_step_on_a_gpu_does_not_wait(tmp_path, micro):
    step, stage, batch = _step(micro_recipe(tmp_path), Process(0, 1, torch.device("cuda")))
    step(stage, batch, 1e-3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        step(stage, batch, 1e-3)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert step.look()["loss"] > 0
