"""bfloat16 emulated in float32 rounds as bfloat16 does, and errs as much as PyTorch's."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from dinoflow_deploy.export.bf16_emulation import emulate_bfloat16
from dinoflow_deploy.export.lowering import prepare_module
from tests.export.conftest import STATIC_SHAPE, GetExport
from tests.export.lively import scene_images


def run(model: onnx.ModelProto, *arrays: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, arrays, strict=True)))[0]


def graph(nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto]) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 64]) for name in ("x", "y")]
    made = helper.make_graph(nodes, "graph", values[:1], values[1:], weights)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


@pytest.fixture
def values() -> np.ndarray:
    generator = np.random.default_rng(0)
    numbers = generator.standard_normal((500, 64)) * 10.0 ** generator.integers(-8, 8, (500, 64))
    # Halfway between neighbours too, where ties go to the even one.
    numbers[0] = 1 + np.arange(64) / 256
    return numbers.astype(np.float32)


def test_a_cast_is_kept_and_rounds_to_nearest_even(values: np.ndarray) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["half"], to=TensorProto.BFLOAT16),
        helper.make_node("Cast", ["half"], ["y"], to=TensorProto.FLOAT),
    ]
    found = run(emulate_bfloat16(graph(nodes, [])), values)
    np.testing.assert_array_equal(found, torch.from_numpy(values).bfloat16().float().numpy())
    assert (found != values).mean() > 0.9


def test_every_operator_rounds_its_result(values: np.ndarray) -> None:
    bias = torch.randn(64, generator=torch.Generator().manual_seed(0)).bfloat16()
    raw = bias.view(torch.int16).numpy().tobytes()
    weight = helper.make_tensor("bias", TensorProto.BFLOAT16, [64], raw, raw=True)
    nodes = [
        helper.make_node("Cast", ["x"], ["half"], to=TensorProto.BFLOAT16),
        helper.make_node("Add", ["half", "bias"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["product"]),
        helper.make_node("Cast", ["product"], ["y"], to=TensorProto.FLOAT),
    ]
    half = torch.from_numpy(values).bfloat16()
    expected = ((half + bias) * half).float().numpy()
    np.testing.assert_array_equal(run(emulate_bfloat16(graph(nodes, [weight])), values), expected)


def test_a_model_errs_as_much_as_pytorch_in_bfloat16(get_export: GetExport) -> None:
    exported = get_export("nano", "bf16", False)
    model = exported.onnx
    emulated = emulate_bfloat16(model)
    assert model == exported.onnx, "left as it is"
    used = {tensor.data_type for tensor in emulated.graph.initializer}
    assert TensorProto.BFLOAT16 not in used
    images = scene_images(*STATIC_SHAPE)
    with torch.no_grad():
        exact = exported.model(*images).numpy()
        in_torch = prepare_module(exported.model, torch.bfloat16)(*images).float().numpy()
    found = run(emulated, *(image.numpy() for image in images))
    errors = [float(np.linalg.norm(flow - exact, axis=1).mean()) for flow in (found, in_torch)]
    assert 0.5 < errors[0] / errors[1] < 2
    assert errors[0] > 0.02
