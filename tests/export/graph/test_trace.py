"""The tracer writes what the model does, and refuses what it cannot write for every shape."""

import copy
from collections.abc import Callable

import onnx_ir
import pytest
import torch
from torch import Tensor

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.graph.trace import trace
from dinoflow_deploy.export.lowering import prepare_module
from dinoflow_deploy.export.options import DYNAMIC_INPUTS, parse_inputs
from dinoflow_deploy.train.model import FlowModel
from dinoflow_deploy.train.model.backbone import RotaryEmbedding

pytestmark = pytest.mark.slow


@pytest.fixture
def model(get_model: Callable[[str], FlowModel]) -> FlowModel:
    return prepare_module(get_model("nano"), torch.float32)


def test_the_model_is_left_as_it_is(model: FlowModel) -> None:
    before = copy.deepcopy(model.state_dict())
    trace(model, DYNAMIC_INPUTS, 20)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("inputs", [DYNAMIC_INPUTS, parse_inputs("64x112", "dynamic")], ids=str)
def test_every_tensor_of_open_shape_comes_from_an_input(model: FlowModel, inputs: InputRange) -> None:
    graph = trace(model, inputs, 20).graph
    named = {axis for value in graph.inputs for axis in value.shape or () if not isinstance(axis, int)}
    assert {str(axis) for axis in named} == {
        name for name, axis in [("batch", inputs.batch), *inputs.sides.items()] if not axis.is_static
    }
    made = {value.name for node in graph for value in node.outputs}
    known = made | {value.name for value in graph.inputs} | set(graph.initializers)
    assert {value.name for node in graph for value in node.inputs if value is not None} <= known


def test_weights_keep_their_names(model: FlowModel) -> None:
    graph = trace(model, DYNAMIC_INPUTS, 20).graph
    weights = dict(model.named_parameters())
    # The tokens and the weights of the fusion are part of constants; the last norm is not used.
    computed = {"backbone.cls_token", "backbone.register_tokens", "head.weighted_fusion.layer_weights"}
    assert weights.keys() - graph.initializers.keys() - computed == {
        "backbone.norm.weight",
        "backbone.norm.bias",
    }
    linear = graph.initializers["backbone.blocks.0.mlp.up.weight"]
    assert isinstance(linear.const_value, onnx_ir.TensorProtocol)
    expected = weights["backbone.blocks.0.mlp.up.weight"].t()
    torch.testing.assert_close(torch.from_numpy(linear.const_value.numpy()), expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("decode", "message"),
    [
        (torch.special.entr, r"calls torch\.special\.entr, which has no form in ONNX yet: add one to"),
        (
            lambda volume: volume.sum(1, keepdim=True),
            r"calls torch\.Tensor\.sum with these .*keepdim",
        ),
        (lambda volume: volume[:, 0], "reads a tensor at 0, not at a slice"),
    ],
)
def test_what_has_no_form_is_named(
    decode: Callable[[Tensor], Tensor], message: str, model: FlowModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.head, "decode", lambda volume, _: decode(volume))
    with pytest.raises(ExportError, match=message):
        trace(model, DYNAMIC_INPUTS, 20)


def centres_of_a_float(count: int, like: Tensor) -> Tensor:
    # A float on the left asks its right side nothing.
    return (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) * (2.0 / count) - 1.0


def centres_of_an_index(count: int, like: Tensor) -> Tensor:
    return torch.tensor([2 * (index + 0.5) / len(range(count)) - 1 for index in range(count)])


def centres_in_a_loop(count: int, like: Tensor) -> Tensor:
    row = torch.arange(count, dtype=like.dtype, device=like.device)
    for _ in range(count):
        row = row + 0.5
    return row


@pytest.mark.parametrize(
    ("centres", "message"),
    [
        (centres_of_a_float, r"makes a constant of an open length where 'backbone\.rotary' calls Mul"),
        (centres_in_a_loop, r"makes a constant of an open length where 'backbone\.rotary' calls Add"),
        (centres_of_an_index, r"the model combines lengths that differ for some inputs: \[7, rows\]"),
    ],
)
def test_a_length_that_becomes_a_constant_is_found(
    centres: Callable[[int, Tensor], Tensor],
    message: str,
    model: FlowModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RotaryEmbedding, "_centres", staticmethod(centres))
    with pytest.raises(ExportError, match=message):
        trace(model, DYNAMIC_INPUTS, 20)
    # With static shapes there is nothing to find.
    trace(model, parse_inputs("64x112", "2"), 20)
