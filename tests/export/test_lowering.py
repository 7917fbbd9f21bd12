import copy
from collections.abc import Callable

import torch
from torch import nn

from dinoflow_deploy.export.lowering import prepare_module
from dinoflow_deploy.train.model import FlowModel
from tests.export.lively import scene_images

GetModel = Callable[[str], FlowModel]


def test_folding_keeps_the_flow(get_model: GetModel) -> None:
    model = get_model("nano")
    images = scene_images(2, 64, 96)
    with torch.no_grad():
        expected, flow = model(*images), prepare_module(model, torch.float32)(*images)
    assert expected.std() > 1
    torch.testing.assert_close(flow, expected, rtol=0, atol=1e-3)


def test_the_callers_model_is_left_as_it_is(get_model: GetModel) -> None:
    model = get_model("nano")
    before = copy.deepcopy(model.state_dict())
    prepare_module(model, torch.float16)
    after = model.state_dict()
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert after[name].dtype == value.dtype
        assert torch.equal(after[name], value)


def test_half_precision_everywhere_but_in_the_islands(get_model: GetModel) -> None:
    module = prepare_module(get_model("nano"), torch.float16)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in module.modules())
    whole = {name for name, value in module.named_parameters() if value.dtype == torch.float32}
    assert whole == {"head.output_conv.4.weight", "head.output_conv.4.bias"}
    assert {value.dtype for value in module.parameters()} == {torch.float16, torch.float32}
    buffers = {name.rpartition(".")[2] for name, _ in module.named_buffers()}
    assert buffers == {"mean", "std", "frequencies", "init_pos"}
    assert {value.dtype for value in module.buffers()} == {torch.float32}
