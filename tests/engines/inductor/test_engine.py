from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch

from dinoflow_deploy import load_engine
from dinoflow_deploy.engines.inductor.engine import InductorEngine
from dinoflow_deploy.engines.onnxruntime.engine import OnnxRuntimeEngine
from dinoflow_deploy.engines.pytorch import PyTorchEngine
from dinoflow_deploy.errors import DeviceError, EngineError, FileFormatError, InputError
from dinoflow_deploy.system.processor import extensions
from tests.compiled_bundles import INPUTS
from tests.engines.inductor.conftest import WritePackage
from tests.engines.inductor.infos import ON_CPU, ON_GPU
from tests.quick_model import QuickModel

MakeFrames = Callable[..., np.ndarray]
pytestmark = pytest.mark.slow


@pytest.fixture
def engine(compiled_bundle: Path):
    with InductorEngine(compiled_bundle) as opened:
        yield opened


def test_the_flow_is_pytorch_s_and_onnx_runtime_s(
    engine: InductorEngine, compiled_bundle: Path, frames: MakeFrames
) -> None:
    """Frames of another size than it takes, and more pairs than at once."""
    frames1, frames2 = frames(5, 50, 70), frames(5, 50, 70, seed=1)
    found = engine.batch(frames1, frames2)
    with OnnxRuntimeEngine(compiled_bundle, device="cpu") as reference:
        expected = reference.batch(frames1, frames2)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(found, expected, atol=1e-4)
    frames1, frames2 = frames(2, 64, 96), frames(2, 64, 96, seed=1)
    with PyTorchEngine(QuickModel(), device="cpu") as reference:
        np.testing.assert_allclose(
            engine.batch(frames1, frames2), reference.batch(frames1, frames2), atol=1e-4
        )


def test_what_it_says_of_itself(engine: InductorEngine, compiled_bundle: Path) -> None:
    what = engine.describe()
    assert (what.model, what.backend, what.device, what.precision) == ("nano", "inductor", "cpu", "fp32")
    assert what.provider == f"AOTInductor of torch {torch.__version__}"
    assert what.source == str(compiled_bundle / "model.pt2")
    assert what.inputs == INPUTS
    assert engine.calls_at_once == 1


def test_options_reach_it(compiled_bundle: Path, frames: MakeFrames) -> None:
    grey = frames(2, 64, 96)[..., 0]
    with load_engine(compiled_bundle, "inductor", "cpu", convert_colors=True) as engine:
        assert engine(*grey).shape == (64, 96, 2)
    with pytest.raises(InputError, match="'inductor' has no option 'precision': it takes cuda_graph"):
        load_engine(compiled_bundle, "inductor", precision="fp16")


def test_both_directions_are_two_calls(engine: InductorEngine, frames: MakeFrames) -> None:
    frame1, frame2 = frames(2, 64, 96)
    forward, backward = engine.bidirectional(frame1, frame2)
    np.testing.assert_allclose(forward, engine(frame1, frame2), atol=1e-5)
    np.testing.assert_allclose(backward, engine(frame2, frame1), atol=1e-5)


def test_results_belong_to_the_caller(engine: InductorEngine, frames: MakeFrames) -> None:
    prepared = [engine.prepare(frames(2, 64, 96, seed=seed), frames(2, 64, 96, seed=9)) for seed in (0, 1)]
    first = engine.infer(prepared[0])
    kept = first.copy()
    second = engine.infer(prepared[1])
    np.testing.assert_array_equal(first, kept)
    assert np.abs(first - second).max() > 0.1
    assert first.flags.writeable


def test_threads_get_their_own_flow(engine: InductorEngine, frames: MakeFrames) -> None:
    pairs = [(frames(1, 64, 96, seed=seed)[0], frames(1, 64, 96, seed=seed + 50)[0]) for seed in range(8)]
    expected = [engine(*pair) for pair in pairs]
    together = Barrier(4)

    def compute(pair: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        together.wait(60)
        return engine(*pair)

    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(compute, pairs), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_other_shapes_are_refused(engine: InductorEngine, frames: MakeFrames) -> None:
    """The package itself would read beyond its images."""
    with pytest.raises(InputError, match="width is 96"):
        engine(*frames(2, 64, 112))
    prepared = engine.prepare(frames(2, 64, 96), frames(2, 64, 96))
    for images in (prepared.images1[:1], prepared.images1[..., :80]):
        smaller = replace(
            prepared, images1=np.ascontiguousarray(images), images2=np.ascontiguousarray(images)
        )
        with pytest.raises(InputError, match="are outside the package's range: batch 2, height 64, width 96"):
            engine.infer(smaller)


def test_arrays_of_the_device_are_used_in_place(engine: InductorEngine, frames: MakeFrames) -> None:
    prepared = engine.prepare(frames(2, 64, 96), frames(2, 64, 96, seed=1))
    expected = engine.infer(prepared)
    images = torch.from_numpy(prepared.images1), torch.from_numpy(prepared.images2)
    for image1, image2 in (images, (prepared.images1, prepared.images2)):
        np.testing.assert_array_equal(engine.infer_device(image1, image2).numpy(), expected)
    for out in (torch.full((2, 2, 64, 96), torch.nan), np.full((2, 2, 64, 96), np.nan, np.float32)):
        assert engine.infer_device(*images, out=out) is out
        np.testing.assert_array_equal(np.asarray(out), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image: image.tolist(), "image1: an array on cpu with __dlpack__ is needed, not list"),
        (lambda image: image.double(), "image1: float32 values are needed, not float64"),
        (lambda image: image.transpose(2, 3), "image1: its values are not in C order"),
        (lambda image: image.to("meta"), "image1: it cannot be shared"),
        (lambda image: image[:, :2].contiguous(), r"image1: \[batch, 3, height, width\] is needed"),
        (lambda image: image[:1].contiguous(), r"image2: \[1, 3, 64, 96\] is needed, not \[2, 3, 64, 96\]"),
    ],
)
def test_other_arrays_are_refused(change, message: str, engine: InductorEngine) -> None:
    image = torch.zeros(2, 3, 64, 96)
    with pytest.raises(InputError, match=message):
        engine.infer_device(change(image), image)


def test_shapes_of_arrays_are_checked(engine: InductorEngine) -> None:
    image = torch.zeros(2, 3, 64, 96)
    with pytest.raises(InputError, match=r"out: \[2, 2, 64, 96\] is needed, not \[2, 3, 64, 96\]"):
        engine.infer_device(image, image, out=torch.zeros(2, 3, 64, 96))
    with pytest.raises(InputError, match=r"2 pairs of 64x112 .* are outside the package's range"):
        engine.infer_device(torch.zeros(2, 3, 64, 112), torch.zeros(2, 3, 64, 112))


def test_a_closed_engine_says_so(compiled_bundle: Path, frames: MakeFrames) -> None:
    engine = InductorEngine(compiled_bundle)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine(*frames(2, 64, 96))
    with pytest.raises(EngineError, match="closed"):
        engine.infer_device(torch.zeros(2, 3, 64, 96), torch.zeros(2, 3, 64, 96))


HERE = replace(ON_CPU, torch=torch.__version__, extensions=extensions())
"""What a manifest says of a package that was compiled here."""


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (replace(HERE, torch="2.12.0"), r"compiled by torch 2\.12\.0"),
        (replace(HERE, extensions=("avx1024",)), "may use its avx1024, which this processor, .*, lacks"),
    ],
)
def test_a_package_for_another_machine_is_not_loaded(info, message: str, write_package: WritePackage) -> None:
    with pytest.raises(EngineError, match=message) as refused:
        load_engine(write_package(info), "inductor")
    assert str(refused.value).endswith(
        "Compile it again, from its weights: dinoflow-deploy export --model WEIGHTS --precision fp32 "
        "--size 64x96 --batch 2 --target inductor --device cpu --output NEW"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_package_for_a_gpu_needs_one(write_package: WritePackage) -> None:
    folder = write_package(ON_GPU)
    with pytest.raises(
        DeviceError, match=r"capability 9.0 \(NVIDIA H200\), and torch .* finds none here.\n.*cpu"
    ):
        load_engine(folder, "inductor")
    with pytest.raises(EngineError, match="compiled for the device 'cuda', not for 'cpu'"):
        load_engine(folder, "inductor", "cpu")
    with pytest.raises(DeviceError, match="cannot use the device 'cuda'"):
        load_engine(write_package(HERE), "inductor", "cuda")


def test_what_is_no_package_is_a_damaged_file(write_package: WritePackage) -> None:
    with pytest.raises(FileFormatError, match=r"torch cannot load .*model\.pt2"):
        load_engine(write_package(HERE), "inductor")


def test_a_graph_is_for_gpus(compiled_bundle: Path) -> None:
    with pytest.raises(InputError, match="a CUDA graph is for GPUs"):
        load_engine(compiled_bundle, "inductor", cuda_graph=True)


def test_a_package_that_fails_says_so(engine: InductorEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(images: object) -> None:
        raise RuntimeError("run_func_ failed\nand a trace")

    package = engine._computing._package
    monkeypatch.setattr(package, "_loader", type("Loader", (), {"boxed_run": staticmethod(fail)}))
    with pytest.raises(
        EngineError, match=r"the package failed on cpu with images \[2, 3, 64, 96\]: run_func_ failed$"
    ):
        engine.infer_device(torch.zeros(2, 3, 64, 96), torch.zeros(2, 3, 64, 96))
