"""Validation gives the metrics of ``dinoflow_deploy.flow``, however the pairs are shared out."""

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dinoflow_deploy.errors import TrainingError
from dinoflow_deploy.flow import FlowErrorSums, evaluate_flow
from dinoflow_deploy.train import validation
from dinoflow_deploy.train.batches import Batch
from dinoflow_deploy.train.distributed import Process
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig
from dinoflow_deploy.train.validation import validate
from tests.train.micro import CPU


class _Guess(nn.Module):
    """Flow that depends on the images in a way easy to repeat."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, image1: Tensor, image2: Tensor) -> Tensor:
        return 8 * (self.norm(image1) - self.norm(image2))[:, :2]


def _batches(count: int) -> list[Batch]:
    generator = torch.Generator().manual_seed(0)
    batches = []
    for index in range(count):
        image1, image2 = torch.randint(0, 256, (2, 1, 3, 16, 32), generator=generator).to(torch.uint8)
        flow = torch.randn(1, 2, 16, 32, generator=generator) * 10
        valid = torch.rand(1, 16, 32, generator=generator) > 0.2 * index
        flow[:, :, 0, 0], valid[:, 0, 0] = torch.nan, False
        batches.append(Batch(image1, image2, flow, valid, (f"pair {index}",)))
    return batches


def _predict(model: nn.Module, batch: Batch) -> Tensor:
    with torch.no_grad():
        flow: Tensor = model(batch.image1.float() / 255, batch.image2.float() / 255)
    return flow


def _rows(arrays: Iterable[Tensor]) -> np.ndarray:
    """Pairs below each other, channels last: pooled pixels are the pixels of one tall image."""
    return np.concatenate([array[0].movedim(0, -1).numpy() for array in arrays])


def test_metrics_are_those_of_all_pixels_pooled():
    model, batches = _Guess().eval(), _batches(3)
    result = validate(model, batches, CPU)
    predicted = _rows(_predict(model, batch) for batch in batches)
    target = _rows(batch.flow for batch in batches)
    valid = np.concatenate([batch.valid[0].numpy() for batch in batches])
    expected = evaluate_flow(predicted, target, valid)
    assert result.metrics.pixels == expected.pixels == valid.sum()
    assert result.metrics.epe == pytest.approx(expected.epe, rel=1e-12)
    assert result.metrics.px1 == expected.px1
    assert result.metrics.px3 == expected.px3
    assert result.metrics.fl_all == expected.fl_all
    assert 0 < expected.px3 < 1


def test_the_first_pair_is_there_to_look_at():
    model, batches = _Guess().eval(), _batches(3)
    result = validate(model, iter(batches), CPU)
    assert result.batch is batches[0]
    assert torch.equal(result.flow, _predict(model, batches[0]))


@pytest.mark.parametrize("world_size", [2, 3])
def test_metrics_do_not_depend_on_the_number_of_processes(monkeypatch, world_size):
    model, batches = _Guess().eval(), _batches(4)
    alone = validate(model, batches, CPU)
    sums: list[FlowErrorSums] = []

    def gather(value: FlowErrorSums) -> list[FlowErrorSums]:
        # The last process to come in sees every part; the order must not matter.
        sums.insert(0, value)
        return sums

    monkeypatch.setattr(validation, "gather_objects", gather)
    for rank in range(world_size):
        process = Process(rank, world_size, torch.device("cpu"))
        result = validate(model, batches[rank::world_size], process)
    assert result.metrics == alone.metrics


def test_the_model_is_evaluated_in_evaluation_mode_and_left_as_it_was(micro):
    model = FlowModel(FlowModelConfig(micro)).train()
    model.backbone.eval()
    modes = [module.training for module in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    seen: list[bool] = []
    handle = model.head.register_forward_pre_hook(lambda module, _: seen.append(module.training))
    hook = model.head.motion_encoder.register_forward_pre_hook(lambda module, _: seen.append(module.training))
    batches = _batches(2)
    first, second = (validate(model, batches, CPU).metrics for _ in range(2))
    handle.remove()
    hook.remove()
    assert seen == [False] * len(seen) != []
    assert first == second
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(parameter.grad is not None for parameter in model.parameters())


def test_flow_that_is_not_finite_names_the_pair_and_the_fix():
    model, batches = _Guess().eval(), _batches(3)
    with torch.no_grad():
        model.norm.weight.fill_(torch.inf)
    with pytest.raises(TrainingError, match=r"validation .*pair 0.*not finite.*learning_rate"):
        validate(model, batches, CPU)
