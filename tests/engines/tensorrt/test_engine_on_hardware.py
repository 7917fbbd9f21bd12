"""The engine on a GPU: plans of the built-in model against ONNX Runtime on the CPU."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinoflow_deploy import FlowEngine, load_engine
from dinoflow_deploy.bundles.input_range import AxisRange
from dinoflow_deploy.engines.tensorrt.engine import TensorRTEngine
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export import build_from_bundle
from dinoflow_deploy.export.shapes import RequestedShapes
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.system.machine import describe_machine
from dinoflow_deploy.tensorrt.flavours import FLAVOURS, find_flavour

pytestmark = pytest.mark.tensorrt
MakeFrames = Callable[..., np.ndarray]
SIZE = (128, 192)
STATIC = RequestedShapes(AxisRange.fixed(1), AxisRange.fixed(SIZE[0]), AxisRange.fixed(SIZE[1]))
DYNAMIC = RequestedShapes(AxisRange(1, 1, 3), AxisRange(64, 128, 256), AxisRange(64, 192, 256))
# Both compute in fp32, in another order: nano's flow is some pixels long.
CLOSE = 0.05


@pytest.fixture(scope="module", params=[flavour.name for flavour in FLAVOURS])
def flavour(request: pytest.FixtureRequest) -> str:
    if not describe_machine().gpus:
        pytest.skip("no NVIDIA GPU")
    if not find_flavour(request.param).is_installed:
        pytest.skip(f"{find_flavour(request.param).title} is not installed")
    return str(request.param)


@pytest.fixture(scope="module")
def bundles(flavour: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bundles with a plan of one shape and of a range."""
    made = {}
    for name, shapes in (("static", STATIC), ("dynamic", DYNAMIC)):
        made[name] = tmp_path_factory.mktemp(flavour) / name
        options = PlanOptions(flavour, plugin="none", shapes=shapes, optimization_level=1, verify=False)
        build_from_bundle(builtin_models()["nano"].bundle, made[name], options)
    return made


@pytest.fixture(scope="module")
def reference() -> Any:
    with load_engine("nano", "onnxruntime", "cpu") as engine:
        yield engine


def check(engine: FlowEngine, reference: FlowEngine, first: np.ndarray, second: np.ndarray) -> None:
    np.testing.assert_allclose(engine(first, second), reference(first, second), atol=CLOSE)


def test_frames_of_any_size(
    bundles: dict[str, Path], flavour: str, reference: FlowEngine, frames: MakeFrames
) -> None:
    with load_engine(bundles["dynamic"], "tensorrt", flavour=flavour) as engine:
        for size in ((64, 64), (100, 150), (256, 256), (64, 64)):
            check(engine, reference, *frames(2, *size, seed=size[0]))
        first, second = frames(5, 96, 96), frames(5, 96, 96, seed=1)
        np.testing.assert_allclose(engine.batch(first, second), reference.batch(first, second), atol=CLOSE)
        with pytest.raises(InputError, match="--max"):
            engine(*frames(2, 64, 300))


def test_threads(bundles: dict[str, Path], flavour: str, reference: FlowEngine, frames: MakeFrames) -> None:
    pairs = [frames(2, 64 + 16 * (seed % 4), 96, seed=seed) for seed in range(16)]
    with (
        load_engine(bundles["dynamic"], "tensorrt", flavour=flavour) as engine,
        ThreadPoolExecutor(4) as pool,
    ):
        flows = list(pool.map(lambda pair: engine(*pair), pairs))
    for pair, flow in zip(pairs, flows, strict=True):
        np.testing.assert_allclose(flow, reference(*pair), atol=CLOSE)


def test_a_cuda_graph(
    bundles: dict[str, Path], flavour: str, reference: FlowEngine, frames: MakeFrames
) -> None:
    with load_engine(bundles["static"], "tensorrt", flavour=flavour, cuda_graph=True) as engine:
        for seed in range(3):
            check(engine, reference, *frames(2, *SIZE, seed=seed))


@pytest.mark.parametrize("cuda_graph", [False, True])
def test_tensors_of_pytorch_on_the_gpu(
    bundles: dict[str, Path], flavour: str, reference: FlowEngine, frames: MakeFrames, cuda_graph: bool
) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch without CUDA")
    with TensorRTEngine(bundles["static"], flavour=flavour, cuda_graph=cuda_graph) as engine:
        for seed in range(3):
            pair = frames(2, *SIZE, seed=seed)
            images = (torch.from_numpy(pair).permute(0, 3, 1, 2).cuda() / 255)[:, None].contiguous()
            flow = torch.from_dlpack(engine.infer_device(images[0], images[1]))
            due = reference(*pair).transpose(2, 0, 1)[np.newaxis]
            np.testing.assert_allclose(flow.cpu().numpy(), due, atol=CLOSE)
            out = torch.empty_like(flow)
            assert engine.infer_device(images[0], images[1], out) is out
            torch.testing.assert_close(out, flow)
