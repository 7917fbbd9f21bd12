"""The shipped PTX on a GPU, launched by cuda-python."""

from typing import Any

import pytest
import torch
from torch import Tensor

from dinoflow_deploy.errors import DeviceError, DinoFlowError, InputError
from dinoflow_deploy.export.plugin.kernel import CorrelationKernel, Features
from dinoflow_deploy.train.model.correlation import local_correlation

KINDS = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
SHAPES = [(1, 1, 1, 1), (2, 3, 2, 5), (3, 7, 5, 1), (1, 70, 4, 65), (2, 256, 28, 64), (1, 256, 24, 78)]


def correlate(kernel: CorrelationKernel, first: Tensor, second: Tensor, radius: int) -> Tensor:
    batch, _, height, width = first.shape
    volume = torch.full((batch, (2 * radius + 1) ** 2, height, width), torch.nan).to(first)
    addresses = [tensor.data_ptr() for tensor in (first, second, volume)]
    features = Features(*addresses, tuple(first.shape), KINDS[first.dtype], radius)
    kernel.launch(features, torch.cuda.current_stream().cuda_stream)
    return volume


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch without CUDA")
@pytest.mark.parametrize("radius", range(1, 9))
@pytest.mark.parametrize("dtype", KINDS, ids=str)
def test_equals_the_reference(dtype: torch.dtype, radius: int) -> None:
    torch.zeros(1, device="cuda")  # makes the context
    kernel = CorrelationKernel()
    for shape in SHAPES:
        first, second = torch.randn(2, *shape, device="cuda").to(dtype)
        volume = correlate(kernel, first, second, radius)
        expected = local_correlation(first.double(), second.double(), radius)
        torch.testing.assert_close(
            volume.double(), expected, rtol=torch.finfo(dtype).eps / 2, atol=1e-5, msg=f"{shape}"
        )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_without_a_gpu_it_says_so() -> None:
    pytest.importorskip("cuda.bindings.driver")
    with pytest.raises(DinoFlowError, match=r"no CUDA driver|cuInit failed|cuModuleLoadData failed"):
        CorrelationKernel()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "fp8"}, "type is 'fp8'"),
        ({"radius": 9}, "radius is 9"),
        ({"radius": 0}, "radius is 0"),
        ({"shape": (1, 0, 4, 4)}, r"shape is \(1, 0, 4, 4\)"),
    ],
)
def test_what_the_kernel_does_not_take_is_refused(change: dict[str, Any], message: str) -> None:
    good = {"feature1": 1, "feature2": 2, "volume": 3, "shape": (1, 2, 3, 4), "kind": "fp16", "radius": 4}
    Features(**good)
    with pytest.raises(InputError, match=message):
        Features(**{**good, **change})


class Driver:
    """cuda-python's driver as far as a launch needs it; refuses the launch that it is told to."""

    class CUresult:
        CUDA_SUCCESS = 0

    def __init__(self, refuses: str = "") -> None:
        self.refuses, self.launches = refuses, []

    def answer(self, name: str, *results: Any) -> tuple[Any, ...]:
        error = type("Error", (), {"name": "CUDA_ERROR_INVALID_VALUE"}) if name == self.refuses else 0
        return (error, *results)

    def cuInit(self, flags: int) -> tuple[Any, ...]:  # noqa: N802
        return self.answer("cuInit")

    def cuModuleLoadData(self, image: bytes) -> tuple[Any, ...]:  # noqa: N802
        assert image.endswith(b"\0")
        return self.answer("cuModuleLoadData", "module")

    def cuModuleGetFunction(self, module: str, name: bytes) -> tuple[Any, ...]:  # noqa: N802
        assert module == "module"
        return self.answer("cuModuleGetFunction", name.decode())

    def cuLaunchKernel(self, *arguments: Any) -> tuple[Any, ...]:  # noqa: N802
        self.launches.append(arguments)
        return self.answer("cuLaunchKernel")


def test_arguments_of_a_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    monkeypatch.setattr("dinoflow_deploy.export.plugin.kernel.require", lambda *_: driver)
    kernel = CorrelationKernel()
    kernel.launch(Features(11, 12, 13, (2, 256, 28, 64), "bf16", 4), 7)
    ((function, *grid_and_block, shared, stream, (values, types), extra),) = driver.launches
    assert function == "local_correlation_bf16"
    assert grid_and_block == [2 * 28 * 2 * 3, 1, 1, 192, 1, 1]
    assert (shared, stream, extra) == (0, 7, 0)
    assert values == (11, 12, 256, 28, 64, 4, 13)
    assert len(types) == len(values)


def test_a_refused_launch_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver("cuLaunchKernel")
    monkeypatch.setattr("dinoflow_deploy.export.plugin.kernel.require", lambda *_: driver)
    kernel = CorrelationKernel()
    with pytest.raises(DeviceError, match="cuLaunchKernel failed: CUDA_ERROR_INVALID_VALUE"):
        kernel.launch(Features(11, 12, 13, (1, 8, 4, 4), "fp32", 1), 0)
