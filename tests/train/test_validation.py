"""Validation gives the metrics of ``dinoflow_deploy.flow``, however the pairs are shared out."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dinoflow_deploy import load_engine
from dinoflow_deploy.datasets import FlowSample
from dinoflow_deploy.errors import TrainingError
from dinoflow_deploy.flow import AccuracySums, evaluate_flow
from dinoflow_deploy.train import validation
from dinoflow_deploy.train.distributed import Process
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, save_model
from dinoflow_deploy.train.validation import validate
from tests.train.micro import CPU


class _Guess(nn.Module):
    """Flow that depends on the images in a way easy to repeat."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, image1: Tensor, image2: Tensor) -> Tensor:
        return 8 * (self.norm(image1) - self.norm(image2))[:, :2]


def _pairs(count: int, size: tuple[int, int] = (16, 32)) -> list[tuple[str, FlowSample]]:
    generator = np.random.default_rng(0)
    pairs = []
    for index in range(count):
        frame1, frame2 = generator.integers(0, 256, (2, *size, 3), np.uint8)
        flow = (generator.standard_normal((*size, 2)) * 10).astype(np.float32)
        valid = generator.random(size) > 0.2 * index
        flow[0, 0], valid[0, 0] = np.nan, False
        pairs.append(("noise", FlowSample(frame1, frame2, flow, valid, None, f"pair {index}")))
    return pairs


def _predict(model: nn.Module, sample: FlowSample) -> np.ndarray:
    images = (
        torch.from_numpy(frame).movedim(-1, 0)[None].float() / 255 for frame in (sample.frame1, sample.frame2)
    )
    with torch.no_grad():
        return model(*images)[0].movedim(0, -1).numpy()


def test_metrics_are_those_of_all_pixels_pooled():
    model, pairs = _Guess().eval(), _pairs(3)
    result = validate(model, pairs, CPU)
    # Pairs below each other: pooled pixels are the pixels of one tall image.
    predicted = np.concatenate([_predict(model, sample) for _, sample in pairs])
    truth = np.concatenate([sample.flow for _, sample in pairs])
    valid = np.concatenate([sample.valid for _, sample in pairs])
    expected = evaluate_flow(predicted, truth, valid)
    found = result.accuracy["noise"].everything
    assert found.pixels == expected.pixels == valid.sum()
    assert result.epe == found.epe == pytest.approx(expected.epe, rel=1e-12)
    assert found.px1 == expected.px1
    assert found.px3 == expected.px3
    assert found.fl_all == expected.fl_all
    assert 0 < expected.px3 < 1


def test_the_first_pair_is_there_to_look_at():
    model, pairs = _Guess().eval(), _pairs(3)
    result = validate(model, iter(pairs), CPU)
    assert result.sample is pairs[0][1]
    np.testing.assert_array_equal(result.flow, _predict(model, pairs[0][1]))


def test_data_sets_count_alike_whatever_their_size():
    model, pairs = _Guess().eval(), _pairs(4)
    named = [("few", pairs[0][1])] + [("many", sample) for _, sample in pairs[1:]]
    result = validate(model, named, CPU)
    parts = {name: result.accuracy[name].everything.epe for name in ("few", "many")}
    assert result.epe == pytest.approx((parts["few"] + parts["many"]) / 2)
    assert parts["few"] == validate(model, named[:1], CPU).epe != parts["many"]


def test_frames_of_any_size_are_padded_as_the_engine_pads_them(tmp_path, micro):
    torch.manual_seed(0)
    model = FlowModel(FlowModelConfig(micro)).eval()
    save_model(model, tmp_path / "model.safetensors")
    pairs = _pairs(1, (77, 90))
    result = validate(model, pairs, CPU)
    with load_engine(tmp_path / "model.safetensors", device="cpu") as engine:
        expected = engine(pairs[0][1].frame1, pairs[0][1].frame2)
    np.testing.assert_allclose(result.flow, expected, atol=1e-4)


@pytest.mark.parametrize("world_size", [2, 3])
def test_metrics_do_not_depend_on_the_number_of_processes(monkeypatch, world_size):
    model, pairs = _Guess().eval(), _pairs(4)
    alone = validate(model, pairs, CPU)
    sums: list[dict[str, AccuracySums]] = []

    def gather(value: dict[str, AccuracySums]) -> list[dict[str, AccuracySums]]:
        # The last process to come in sees every part; the order must not matter.
        sums.insert(0, value)
        return sums

    monkeypatch.setattr(validation, "gather_objects", gather)
    for rank in range(world_size):
        process = Process(rank, world_size, torch.device("cpu"))
        result = validate(model, pairs[rank::world_size], process)
    assert result.accuracy == alone.accuracy
    assert result.epe == alone.epe


def test_the_model_is_evaluated_in_evaluation_mode_and_left_as_it_was(micro):
    model = FlowModel(FlowModelConfig(micro)).train()
    model.backbone.eval()
    modes = [module.training for module in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    seen: list[bool] = []
    handle = model.head.register_forward_pre_hook(lambda module, _: seen.append(module.training))
    hook = model.head.motion_encoder.register_forward_pre_hook(lambda module, _: seen.append(module.training))
    pairs = _pairs(2)
    first, second = (validate(model, pairs, CPU).accuracy for _ in range(2))
    handle.remove()
    hook.remove()
    assert seen == [False] * len(seen) != []
    assert first == second
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(parameter.grad is not None for parameter in model.parameters())


def test_flow_that_is_not_finite_names_the_pair_and_the_fix():
    model, pairs = _Guess().eval(), _pairs(3)
    with torch.no_grad():
        model.norm.weight.fill_(torch.inf)
    with pytest.raises(TrainingError, match=r"validation .*pair 0.*not finite.*learning_rate"):
        validate(model, pairs, CPU)
