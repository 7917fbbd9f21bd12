import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from dinoflow_deploy.export.graph.half_weights import store_halves
from dinoflow_deploy.train.model import load_model, save_model


def graph(weight: np.ndarray) -> onnx.ModelProto:
    nodes = [helper.make_node("MatMul", ["x", "weight"], ["y"])]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", weight.shape[0]])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", weight.shape[1]])]
    made = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(weight, "weight")])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)])


def test_exact_halves_are_stored_as_such_and_compute_the_same() -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((64, 64)).astype(np.float16).astype(np.float32)
    model, x = graph(weight), rng.standard_normal((3, 64)).astype(np.float32)
    before = ReferenceEvaluator(model).run(None, {"x": x})[0]
    size = model.ByteSize()
    store_halves(model)
    onnx.checker.check_model(model, full_check=True)
    assert model.ByteSize() < 0.55 * size
    assert [node.op_type for node in model.graph.node] == ["Cast", "MatMul"]
    np.testing.assert_array_equal(ReferenceEvaluator(model).run(None, {"x": x})[0], before)


@pytest.mark.parametrize(
    "weight",
    [
        np.full((64, 64), 1 + 2**-12, np.float32),  # between two halves
        np.full((64, 64), 1e6, np.float32),  # beyond the largest
        np.ones((8, 8), np.float32),  # not worth it
        np.full((64, 64), np.nan, np.float32),
    ],
)
def test_other_weights_stay_as_they_are(weight: np.ndarray) -> None:
    model = graph(weight)
    before = model.SerializeToString()
    store_halves(model)
    assert model.SerializeToString() == before


def test_a_model_saved_in_half_precision_is_read_as_float32(tmp_path, get_model) -> None:
    model = get_model("nano")
    save_model(model, tmp_path / "half.safetensors", torch.float16)
    save_model(model, tmp_path / "whole.safetensors")
    half, whole = (tmp_path / f"{name}.safetensors" for name in ("half", "whole"))
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    again = load_model(half)
    for name, value in model.state_dict().items():
        assert again.state_dict()[name].dtype == value.dtype
        if value.is_floating_point():
            torch.testing.assert_close(again.state_dict()[name], value.half().float(), rtol=0, atol=0)
