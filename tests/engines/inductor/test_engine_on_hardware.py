"""What a CPU cannot show: packages for a GPU."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from dinoflow_deploy import load_engine
from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.engines.inductor.engine import InductorEngine
from dinoflow_deploy.engines.pytorch import PyTorchEngine
from dinoflow_deploy.errors import EngineError
from dinoflow_deploy.export import ExportOptions, PackageOptions, export_bundle
from dinoflow_deploy.export.shapes import RequestedShapes
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.train.model import FlowModel, load_model
from tests.quick_model import QuickModel

MakeFrames = Callable[..., np.ndarray]
pytestmark = [pytest.mark.gpu, pytest.mark.slow]

FIXED = InputRange(*map(AxisRange.fixed, (1, 128, 192)))
RANGE = InputRange(AxisRange(1, 1, 2), AxisRange(64, 128, 192), AxisRange(64, 192, 256))


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, InputRange], Path]:
    """Bundles with a package for the GPU, whose flow was compared with PyTorch's: of nano in bf16."""
    made: dict[tuple[str, InputRange], Path] = {}

    def get(precision: str, inputs: InputRange) -> Path:
        if (precision, inputs) not in made:
            folder = tmp_path_factory.mktemp("packages") / "bundle"
            options = ExportOptions(precision=precision, inputs=inputs)
            export_bundle(
                model_in(precision),
                folder,
                options,
                target=PackageOptions("cuda", RequestedShapes.of(inputs)),
            )
            made[precision, inputs] = folder
        return made[precision, inputs]

    return get


def model_in(precision: str) -> FlowModel:
    """The built-in model once, which takes a minute to compile."""
    return load_model(builtin_models()["nano"].weights) if precision == "bf16" else QuickModel()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_the_flow_is_pytorch_s(export, precision: str, cuda_graph: bool, frames: MakeFrames) -> None:
    """Frame by frame another flow, which a graph that kept its images would not give."""
    limit = {"fp32": 1e-3, "fp16": 2.0, "bf16": 8.0}[precision]
    pairs = [(frames(1, 120, 180, seed=seed)[0], frames(1, 120, 180, seed=seed + 9)[0]) for seed in range(3)]
    with (
        InductorEngine(export(precision, FIXED), cuda_graph=cuda_graph) as engine,
        PyTorchEngine(model_in(precision), device="cpu") as reference,
    ):
        flows = [engine(*pair) for pair in pairs]
        for flow, pair in zip(flows, pairs, strict=True):
            assert np.abs(flow - reference(*pair)).max() < limit
        np.testing.assert_array_equal(engine(*pairs[0]), flows[0])


def test_auto_takes_it_and_says_so(export) -> None:
    with load_engine(export("fp32", FIXED)) as engine:
        what = engine.describe()
        assert engine.calls_at_once == 2
    assert (what.backend, what.device) == ("inductor", "cuda")


def test_a_range_of_shapes(export, frames: MakeFrames) -> None:
    with (
        InductorEngine(export("fp32", RANGE)) as engine,
        PyTorchEngine(QuickModel(), device="cpu") as reference,
    ):
        for batch, height, width in ((1, 64, 64), (2, 128, 192), (1, 192, 256)):
            frames1, frames2 = frames(batch, height, width), frames(batch, height, width, seed=1)
            found, wanted = engine.batch(frames1, frames2), reference.batch(frames1, frames2)
            assert np.abs(found - wanted).max() < 1e-3


@pytest.mark.parametrize("cuda_graph", [False, True])
def test_threads_and_arrays_of_the_device(export, cuda_graph: bool, frames: MakeFrames) -> None:
    with InductorEngine(export("bf16", FIXED), cuda_graph=cuda_graph) as engine:
        prepared = [
            engine.prepare(frames(1, 128, 192, seed=seed), frames(1, 128, 192, seed=seed + 9))
            for seed in range(8)
        ]
        alone = [engine.infer(each) for each in prepared]
        with ThreadPoolExecutor(4) as pool:
            for found, wanted in zip(pool.map(engine.infer, prepared), alone, strict=True):
                np.testing.assert_array_equal(found, wanted)
        for each, wanted in zip(prepared, alone, strict=True):
            images = torch.from_numpy(each.images1).cuda(), torch.from_numpy(each.images2).cuda()
            flow = engine.infer_device(*images)
            assert flow.device.type == "cuda"
            np.testing.assert_array_equal(flow.cpu().numpy(), wanted)
            out = torch.empty_like(flow)
            assert engine.infer_device(*images, out=out) is out
            np.testing.assert_array_equal(out.cpu().numpy(), wanted)


def test_frames_are_prepared_where_the_gpu_copies_from(export, frames: MakeFrames) -> None:
    with InductorEngine(export("bf16", FIXED)) as engine:
        first, second = (engine.prepare_frame(frame) for frame in frames(2, 120, 180))
        assert torch.from_numpy(first.image).is_pinned()
        flow = engine(first, second)
        pageable = [type(each)(each.image.copy(), each.padding) for each in (first, second)]
        assert not torch.from_numpy(pageable[0].image).is_pinned()
        np.testing.assert_array_equal(engine(*pageable), flow)


def test_a_package_for_a_gpu_is_not_for_the_cpu(export) -> None:
    with pytest.raises(EngineError, match="compiled for the device 'cuda', not for 'cpu'"):
        load_engine(export("fp32", FIXED), "inductor", "cpu")
