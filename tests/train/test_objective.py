"""A stage's loss is the weighted sum of its parts, and what no part needs is not computed."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dinoflow_deploy.train.batches import Batch
from dinoflow_deploy.train.loss import masked_l1, matching_loss
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig
from dinoflow_deploy.train.objective import READOUT_SCALE, Objective
from dinoflow_deploy.train.recipe import Stage
from tests.train.micro import micro_recipe

PARTS = ("flow_weight", "quarter_weight", "coarse_weight", "matching_weight")
CAP = 20.0


@pytest.fixture
def model(micro) -> FlowModel:
    torch.manual_seed(0)
    return FlowModel(FlowModelConfig(micro)).eval()


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    image1, image2 = torch.rand(2, 2, 3, 48, 64, generator=generator)
    flow = torch.randn(2, 2, 3, 4, generator=generator).repeat_interleave(16, 2).repeat_interleave(16, 3) * 10
    flow = flow + torch.randn(2, 2, 48, 64, generator=generator)
    valid = torch.ones(2, 48, 64, dtype=torch.bool)
    valid[:, 5, 7], valid[0, 40:] = False, False
    flow[(~valid)[:, None].expand_as(flow)] = torch.nan
    return Batch(image1, image2, flow, valid, ("first", "second"))


def _stage(tmp_path, **weights: float) -> Stage:
    stage = micro_recipe(tmp_path).stages[0]
    return replace(stage, **(dict.fromkeys(PARTS, 0.0) | weights))


def _reduced(feature: Tensor, batch: Batch) -> Tensor:
    """The loss of flow read off a feature, cell by cell."""
    stride = 48 // feature.shape[2]
    total, counted = feature.new_zeros(()), 0
    for index in range(2):
        for row in range(feature.shape[2]):
            for column in range(feature.shape[3]):
                cell = (
                    slice(row * stride, (row + 1) * stride),
                    slice(column * stride, (column + 1) * stride),
                )
                mean = batch.flow[index][:, cell[0], cell[1]].mean((1, 2))
                if batch.valid[index][cell].all() and mean.norm() < CAP:
                    a, b, c, d = feature[index, :4, row, column]
                    read = READOUT_SCALE * torch.stack([a - b, c - d])
                    total = total + (read - mean).abs().sum()
                    counted += 1
    assert 0 < counted < feature[:, 0].numel(), "some cells count and some do not"
    return total / counted


def test_each_part_is_what_it_says(tmp_path, model, batch):
    objective = Objective(model, CAP)
    with torch.no_grad():
        volume, difference = model.compare(batch.image1, batch.image2)
        motion = model.head.motion_features(volume, difference)
        quarter = model.head.quarter_features(motion)
        expected = {
            "flow_weight": masked_l1(model(batch.image1, batch.image2), batch.flow, batch.valid, CAP),
            "quarter_weight": _reduced(quarter, batch),
            "coarse_weight": _reduced(motion, batch),
            "matching_weight": matching_loss(volume, batch.flow, batch.valid, model.head.config.radius),
        }
        for part, value in expected.items():
            assert value > 0
            torch.testing.assert_close(objective(_stage(tmp_path, **{part: 1.0}), batch), value)


def test_parts_add_up_by_their_weights(tmp_path, model, batch):
    objective = Objective(model, CAP)
    weights = dict(zip(PARTS, (1.0, 0.5, 0.25, 5.0), strict=True))
    with torch.no_grad():
        parts = {part: objective(_stage(tmp_path, **{part: 1.0}), batch) for part in PARTS}
        total = objective(_stage(tmp_path, **weights), batch)
    torch.testing.assert_close(total, sum(weights[part] * parts[part] for part in PARTS))


@pytest.mark.parametrize(
    ("part", "reached"),
    [
        ("matching_weight", {"weighted_fusion"}),
        ("coarse_weight", {"weighted_fusion", "motion_encoder", "detail_enhancer"}),
        (
            "quarter_weight",
            {"weighted_fusion", "motion_encoder", "detail_enhancer", "upsample_1", "refinement_1"},
        ),
        ("flow_weight", None),
    ],
)
def test_what_lies_beyond_the_last_loss_is_not_computed(tmp_path, model, batch, part, reached):
    called: set[str] = set()
    for name, module in model.head.named_children():
        module.register_forward_pre_hook(lambda *_, name=name: called.add(name))
        for child in module.children():
            child.register_forward_pre_hook(lambda *_, name=name: called.add(name))
    Objective(model, CAP)(_stage(tmp_path, **{part: 1.0}), batch).backward()
    everything = {name for name, _ in model.head.named_children()}
    assert called == (reached or everything)
    learning = {name.split(".")[0] for name, p in model.head.named_parameters() if p.grad is not None}
    assert learning == called
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_a_batch_without_truth_is_no_loss(tmp_path, model, batch):
    batch.valid.fill_(False)
    loss = Objective(model, CAP)(_stage(tmp_path, **dict.fromkeys(PARTS, 1.0)), batch)
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())
