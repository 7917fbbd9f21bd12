"""The body of dinoflow::LocalCorrelation against the reference, in every runtime at hand."""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, inliner
from onnx.reference import ReferenceEvaluator

from dinoflow_deploy.export.graph.operator import (
    OPERATOR_DOMAIN,
    OPERATOR_NAME,
    attach_operator,
    operator_function,
)
from dinoflow_deploy.train.model.correlation import local_correlation
from tests.export.old_operator import with_old_operator

Run = Callable[[ModelProto, dict[str, np.ndarray]], np.ndarray]

SHAPES = [(1, 3, 2, 5), (2, 7, 5, 1), (3, 16, 9, 6), (1, 1, 1, 1)]
"""Batch, channels, height, width: sides below the radius, odd ones, and one cell."""


def operator_model(
    radius: int,
    element_type: int = TensorProto.FLOAT,
    shape: tuple[int | str, ...] = ("batch", 32, "height", "width"),
    opset: int = 20,
) -> ModelProto:
    """A model of nothing but the operator; its channels are a number."""
    channels = shape[1]
    assert isinstance(channels, int)
    node = helper.make_node(
        OPERATOR_NAME,
        ["feature1", "feature2"],
        ["volume"],
        domain=OPERATOR_DOMAIN,
        radius=radius,
        scale=channels**-0.5,
        plugin_namespace="dinoflow",
        plugin_version="1",
    )
    inputs = [helper.make_tensor_value_info(name, element_type, shape) for name in node.input]
    output = helper.make_tensor_value_info("volume", element_type, (shape[0], None, *shape[2:]))
    model = helper.make_model(
        helper.make_graph([node], "operator", inputs, [output]),
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid(OPERATOR_DOMAIN, 1)],
        ir_version=10,
    )
    attach_operator(model)
    return model


def run_onnxruntime(model: ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, feeds)[0]


def run_reference(model: ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    return ReferenceEvaluator(model).run(None, feeds)[0]


def run_inlined(model: ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    return run_onnxruntime(inliner.inline_local_functions(model), feeds)


@pytest.mark.parametrize("run", [run_onnxruntime, run_reference, run_inlined])
@pytest.mark.parametrize("radius", range(1, 7))
def test_body_equals_the_reference(run: Run, radius: int) -> None:
    for shape in SHAPES:
        model = operator_model(radius, shape=("batch", shape[1], "height", "width"))
        feeds, expected = features(shape, radius)
        volume = run(model, feeds)
        assert volume.shape == expected.shape == (shape[0], (2 * radius + 1) ** 2, *shape[2:])
        np.testing.assert_allclose(volume, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("run", [run_onnxruntime, run_reference])
def test_body_equals_the_reference_in_half_precision(run: Run) -> None:
    feeds, expected = features((2, 32, 5, 7), 4)
    halves = {name: value.astype(np.float16) for name, value in feeds.items()}
    volume = run(operator_model(4, TensorProto.FLOAT16), halves)
    assert volume.dtype == np.float16
    # 32 products of up to about 3 * 3, each rounded to 11 bits
    np.testing.assert_allclose(volume, expected, atol=0.02)


@pytest.mark.parametrize("run", [run_onnxruntime, run_reference, run_inlined])
def test_the_operator_of_older_bundles_computes_the_same(run: Run) -> None:
    feeds, expected = features((2, 32, 5, 7), 4)
    old = with_old_operator(operator_model(4))
    onnx.checker.check_model(old, full_check=True)
    assert "Pow" in {node.op_type for node in old.functions[0].node}
    np.testing.assert_allclose(run(old, feeds), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("opset", [20, 21, 22])
@pytest.mark.parametrize("element_type", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_body_is_valid_and_its_shape_is_known(opset: int, element_type: int) -> None:
    model = operator_model(3, element_type, opset=opset)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    dimensions = inferred.graph.output[0].type.tensor_type.shape.dim
    assert [axis.dim_param or axis.dim_value for axis in dimensions] == ["batch", 49, "height", "width"]


def features(shape: tuple[int, ...], radius: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    generator = np.random.default_rng(radius)
    first, second = generator.standard_normal((2, *shape), dtype=np.float32)
    expected = local_correlation(torch.from_numpy(first), torch.from_numpy(second), radius)
    return {"feature1": first, "feature2": second}, expected.numpy()


def test_each_node_of_the_body_has_a_name_of_its_own() -> None:
    """By which a runtime that has put the body in place of the call says where it computes it."""
    names = [node.name for node in operator_function(20).node]
    assert all(names)
    assert len(set(names)) == len(names)
