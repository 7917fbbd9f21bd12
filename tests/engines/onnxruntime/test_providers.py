from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from dinoflow_deploy.engines.onnxruntime import providers as onnx_providers
from dinoflow_deploy.engines.onnxruntime.providers import CPU, CUDA, provider_problem


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Any:
    provider_problem.cache_clear()
    yield
    provider_problem.cache_clear()


def test_the_probe_is_a_convolution_of_ones() -> None:
    model = onnx.load_from_string(onnx_providers.PROBE)
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


@pytest.mark.gpu
@pytest.mark.skipif(CUDA not in onnxruntime.get_available_providers(), reason="onnxruntime without CUDA")
def test_the_cuda_provider_computes() -> None:
    assert provider_problem(CUDA) is None
    assert provider_problem(CUDA, 99) is not None
