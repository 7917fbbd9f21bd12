import pytest
import torch
from torch import nn

from dinoflow_deploy.train.weight_average import WeightAverage


def _model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))


def _set(model: nn.Sequential, value: float) -> None:
    with torch.no_grad():
        model[0].weight.fill_(value)


def test_weights_follow_slowly_and_the_start_is_soon_forgotten():
    model = _model()
    _set(model, 0.0)
    average = WeightAverage(model, 0.5)
    values, expected = [], 0.0
    for step in range(40):
        _set(model, float(step))
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        values.append(average.model[0].weight.item())
        assert values[-1] == pytest.approx(expected, rel=1e-5)
    # Where the decay is 0.5, a step behind on a ramp of one a step.
    assert values[-1] == pytest.approx(38.0, abs=1e-3)


def test_a_high_decay_starts_low():
    model = _model()
    _set(model, 0.0)
    average = WeightAverage(model, 0.999)
    _set(model, 1.0)
    average.update(model, 0)
    assert average.model[0].weight.item() == pytest.approx(0.9)


def test_statistics_are_copied_not_averaged():
    model = _model()
    average = WeightAverage(model, 0.9)
    model(torch.full((4, 1), 7.0))
    average.update(model, 0)
    for name, buffer in model.named_buffers():
        assert torch.equal(average.model.get_buffer(name), buffer), name
    assert average.model[1].num_batches_tracked == 1


def test_the_average_is_a_copy_that_does_not_learn():
    model = _model().train()
    average = WeightAverage(model, 0.9)
    assert not average.model.training
    assert model.training
    assert not any(parameter.requires_grad for parameter in average.model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    before = average.model[0].weight.clone()
    _set(model, 5.0)
    assert torch.equal(average.model[0].weight, before)


def test_weights_that_do_not_change_stay_bit_for_bit():
    model = _model()
    _set(model, 0.1)
    average = WeightAverage(model, 0.997)
    for step in range(50):
        average.update(model, step)
    assert torch.equal(average.model[0].weight, model[0].weight)
