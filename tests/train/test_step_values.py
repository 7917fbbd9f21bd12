import math

import pytest
import torch

from dinoflow_deploy.errors import TrainingError
from dinoflow_deploy.train import step_values
from dinoflow_deploy.train.distributed import Process
from dinoflow_deploy.train.step_values import StepValues

SECOND = Process(1, 2, torch.device("cpu"))


def _values(process: Process, *scalars: float) -> StepValues:
    """A loss and a norm of each step from 7 on."""
    values = StepValues(process, ahead=True)
    for place, scalar in enumerate(scalars):
        step = 7 + place // 2
        values.keep(("loss", "norm")[place % 2], torch.tensor(scalar), step, (f"pair {step}", "other"))
    return values


def test_values_come_in_their_order_and_once():
    values = _values(Process(0, 1, torch.device("cpu")), 1.0, 2.0, 3.0)
    assert values.look() == [1.0, 2.0, 3.0]
    assert values.look() == []


def test_the_first_that_is_not_finite_is_named(monkeypatch):
    monkeypatch.setattr(step_values, "gather_objects", lambda found: [None, found])
    values = _values(SECOND, 1.0, 2.0, 3.0, math.inf, math.nan, math.nan)
    with pytest.raises(TrainingError, match=r"^the norm is inf at step 8, rank 1, .*batch pair 8, other: "):
        values.look()


def test_all_processes_blame_the_one_whose_loss_it_was(monkeypatch):
    """Gradients are shared: one process' loss makes the norm of each not finite."""
    found: list[object] = []
    monkeypatch.setattr(step_values, "gather_objects", lambda own: found.append(own) or found)
    own = _values(Process(0, 2, torch.device("cpu")), 1.0, math.nan)
    with pytest.raises(TrainingError, match="the norm is nan at step 7, rank 0"):
        own.look()
    for others, message in (
        ((math.nan, math.nan), "the loss is nan at step 7, rank 1"),
        ((1.0, 1.0, math.nan), "the norm is nan at step 7, rank 0"),
    ):
        values = _values(SECOND, *others)
        with pytest.raises(TrainingError, match=message):
            values.look()
        del found[1:]


def test_on_a_cpu_nothing_goes_on_from_it():
    values = StepValues(SECOND, ahead=False)
    with pytest.raises(TrainingError, match=r"the loss is inf at step 3, rank 1, .*batch a, b:"):
        values.keep("loss", torch.tensor(math.inf), 3, ("a", "b"))
