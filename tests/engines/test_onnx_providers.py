from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from dinoflow_deploy.engines import onnx_providers
from dinoflow_deploy.engines.onnx_providers import CPU, CUDA, nodes_elsewhere, provider_problem


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Any:
    provider_problem.cache_clear()
    yield
    provider_problem.cache_clear()


def test_the_probe_is_a_convolution_of_ones() -> None:
    model = onnx.load_from_string(onnx_providers._PROBE)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Conv"]
    (weight,) = model.graph.initializer
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(weight), np.ones((1, 1, 3, 3)))


def test_the_cpu_provider_computes() -> None:
    assert provider_problem(CPU) is None


def test_a_provider_that_is_not_compiled_in_is_a_problem() -> None:
    assert "does not hold RainbowExecutionProvider" in str(provider_problem("RainbowExecutionProvider"))


def test_listed_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU package on a machine without CUDA lists the provider and then starts on the CPU."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    with pytest.warns(UserWarning, match="not in available provider names"):
        problem = provider_problem(CUDA)
    assert "libonnxruntime_providers_cuda.so: cannot open shared object file" in str(problem)


def test_nodes_outside_the_provider_are_listed_but_for_shapes() -> None:
    """A session on the CPU, asked whether all of it is on CUDA."""
    helper, types = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [
            helper.make_node("Shape", ["x"], ["shape"], name="size"),
            helper.make_node("Relu", ["x"], ["y"], name="rectify"),
            helper.make_node("Reshape", ["y", "shape"], ["z"], name="again"),
        ],
        "graph",
        [helper.make_tensor_value_info("x", types.FLOAT, ["n"])],
        [helper.make_tensor_value_info("z", types.FLOAT, ["n"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[CPU])
    assert nodes_elsewhere(session, CPU) == []
    assert nodes_elsewhere(session, CUDA) == ["Relu 'rectify'"]


@pytest.mark.gpu
@pytest.mark.skipif(CUDA not in onnxruntime.get_available_providers(), reason="onnxruntime without CUDA")
def test_the_cuda_provider_computes() -> None:
    assert provider_problem(CUDA) is None
    assert provider_problem(CUDA, 99) is not None
