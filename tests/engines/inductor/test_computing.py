"""The order of work on a GPU, on a stand-in for ``torch.cuda``."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock

import numpy as np
import pytest
import torch

from dinoflow_deploy.engines.inductor import computing
from dinoflow_deploy.engines.inductor.computing import CudaComputing
from dinoflow_deploy.errors import EngineError
from tests.engines.inductor.fake_cuda import FakeCuda, FakePackage

DEVICE = torch.device("cpu")


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    fake = FakeCuda()
    monkeypatch.setattr(computing, "torch", fake)
    return fake


@pytest.fixture
def package(cuda: FakeCuda) -> FakePackage:
    return FakePackage(cuda, Lock())


def images(seed: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.random.default_rng(seed).random((2, 1, 3, 16, 32), np.float32)
    return first, second


def expected(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (second - first)[:, :2]


@pytest.mark.parametrize("cuda_graph", [False, True])
def test_each_call_has_its_own_flow(cuda_graph: bool, cuda: FakeCuda, package: FakePackage) -> None:
    computed = CudaComputing(package, DEVICE, cuda_graph=cuda_graph)
    flows = [computed.infer(*images(seed)) for seed in range(3)]
    for seed, flow in enumerate(flows):
        np.testing.assert_array_equal(flow, expected(*images(seed)))
    # Two runs before the graph is recorded; recording itself runs nothing.
    assert (cuda.replays, package.runs) == ((3, 5) if cuda_graph else (0, 3))
    assert cuda.streams == 1, "a thread that comes back finds what it had"
    computed.close()


@pytest.mark.parametrize("cuda_graph", [False, True])
def test_arrays_of_the_device(cuda_graph: bool, cuda: FakeCuda, package: FakePackage) -> None:
    computed = CudaComputing(package, DEVICE, cuda_graph=cuda_graph)
    given = [tuple(map(torch.from_numpy, images(seed))) for seed in range(3)]
    flows = [computed.infer_device(*pair, None) for pair in given]
    out = torch.full((1, 2, 16, 32), torch.nan)
    assert computed.infer_device(*given[0], out) is out
    for seed, flow in enumerate([*flows, out]):
        np.testing.assert_array_equal(flow.numpy(), expected(*images(seed % 3)))
    assert cuda.streams == 0, "they are used in the order of the caller's stream"


@pytest.mark.parametrize("cuda_graph", [False, True])
def test_threads_compute_one_after_the_other(cuda_graph: bool, cuda: FakeCuda, package: FakePackage) -> None:
    computed, together = CudaComputing(package, DEVICE, cuda_graph=cuda_graph), Barrier(4)

    def compute(seed: int) -> np.ndarray:
        together.wait(60)
        return computed.infer(*images(seed))

    with ThreadPoolExecutor(4) as pool:
        for seed, flow in enumerate(pool.map(compute, range(8))):
            np.testing.assert_array_equal(flow, expected(*images(seed)))
    assert cuda.streams <= 4


def test_other_shapes_get_other_memory(cuda: FakeCuda, package: FakePackage) -> None:
    computed = CudaComputing(package, DEVICE, cuda_graph=False)
    for shape in ((1, 3, 16, 32), (2, 3, 16, 32), (1, 3, 32, 16), (1, 3, 16, 32)):
        first, second = np.random.default_rng(0).random((2, *shape), np.float32)
        np.testing.assert_array_equal(computed.infer(first, second), expected(first, second))


def test_frames_of_bytes_travel_as_bytes(cuda: FakeCuda, package: FakePackage) -> None:
    computed = CudaComputing(package, DEVICE, cuda_graph=True)
    for seed in range(2):
        first, second = np.random.default_rng(seed).integers(0, 100, (2, 1, 3, 16, 32), np.uint8)
        # 8 bits of what wraps around, as the stand-in subtracts.
        np.testing.assert_array_equal(computed.infer(first, second), (second - first)[:, :2])


def test_what_cannot_be_recorded_is_said(cuda: FakeCuda, package: FakePackage) -> None:
    package.waits = True
    computed = CudaComputing(package, DEVICE, cuda_graph=True)
    with pytest.raises(
        EngineError, match=r"no CUDA graph: CUDA error: .* capturing; run it without cuda_graph"
    ):
        computed.infer(*images(0))
    np.testing.assert_array_equal(
        CudaComputing(package, DEVICE, cuda_graph=False).infer(*images(1)), expected(*images(1))
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried\nmore"), "memory of the GPU is out; use smaller"),
        (RuntimeError("CUDA error: an illegal memory access\nmore"), r"CUDA failed: .* memory access$"),
    ],
)
def test_failures_of_the_device_are_the_engine_s(
    error: Exception, message: str, cuda: FakeCuda, package: FakePackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object, first: object, second: object) -> None:
        raise error

    monkeypatch.setattr(FakePackage, "__call__", fail)
    with pytest.raises(EngineError, match=message):
        CudaComputing(package, DEVICE, cuda_graph=False).infer(*images(0))
