"""Build, load, infer, compare: from a bundle to the flow of its plan, on the model, without hardware."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dinoflow_deploy import load_engine
from dinoflow_deploy.bundles.input_range import AxisRange
from dinoflow_deploy.cli.app import app
from dinoflow_deploy.engines import Bundle
from dinoflow_deploy.export.from_bundle import build_from_bundle
from dinoflow_deploy.export.shapes import RequestedShapes
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.inspection import inspect_artifact
from dinoflow_deploy.tensorrt.plan_info import PlanInfo
from tests.export.tensorrt.conftest import GH200
from tests.small_bundles import WriteBundle
from tests.tensorrt_model.fixtures import Install, every_order
from tests.tensorrt_model.flavours import MODELLED, TENSORRT_11
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT

pytestmark = pytest.mark.slow

MakeFrames = Callable[..., np.ndarray]
RANGE = RequestedShapes(AxisRange(1, 1, 4), AxisRange(64, 64, 192), AxisRange(64, 96, 256))
STATIC = RequestedShapes(AxisRange.fixed(1), AxisRange.fixed(64), AxisRange.fixed(96))
ADA = replace(GH200, name="NVIDIA GeForce RTX 4090", compute_capability="8.9")


@pytest.fixture(params=MODELLED, ids=lambda modelled: f"{modelled.flavour} {modelled.version}")
def tensorrt(
    request: pytest.FixtureRequest,
    install_tensorrt: Install,
    machine: Machine,
    set_gpus: Callable[..., None],
) -> TensorRT:
    """Each TensorRT on a GPU that it builds for."""
    if request.param.flavour == "rtx":
        machine.capabilities = ((8, 9),)
        set_gpus(ADA)
    else:
        set_gpus(GH200)
    return install_tensorrt(request.param)


@pytest.mark.parametrize("order", ["any"], indirect=True)
def test_a_plan_of_the_command_computes_what_its_onnx_file_does(
    tensorrt: TensorRT, write_bundle: WriteBundle, frames: MakeFrames, tmp_path: Path
) -> None:
    flavour, out = tensorrt.state.flavour, tmp_path / "out"
    arguments = ["export", "--target", "tensorrt", "--flavour", flavour, "--plugin", "none"]
    arguments += ["--model", write_bundle(), "--output", out, "--min", "64x64,1"]
    arguments += ["--opt", "64x96,1", "--max", "192x256,4"]
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    assert "not run" not in done.stdout
    (plan,) = Bundle.open(out).manifest.all_of(PlanInfo)
    assert plan.parity is not None
    assert (plan.parity.engine, plan.version) == (
        f"tensorrt {plan_title(flavour)} {tensorrt.__version__}",
        tensorrt.__version__,
    )
    with load_engine(out, "tensorrt") as engine, load_engine(out, "onnxruntime", "cpu") as reference:
        pair = frames(2, 50, 150)
        np.testing.assert_allclose(engine(*pair), reference(*pair), atol=1e-3)
    (inspected,) = inspect_artifact(out).plans
    assert inspected.engine is not None
    assert inspected.engine.precision.keys() == {"fp32"}


def plan_title(flavour: str) -> str:
    return "TensorRT-RTX" if flavour == "rtx" else "TensorRT"


@every_order
def test_a_plan_of_a_range_takes_every_size(
    tensorrt: TensorRT, write_bundle: WriteBundle, frames: MakeFrames, tmp_path: Path
) -> None:
    options = PlanOptions(tensorrt.state.flavour, plugin="none", shapes=RANGE, verify=False)
    build_from_bundle(write_bundle(), tmp_path / "out", options)
    with load_engine(tmp_path / "out", "tensorrt") as engine:
        for size in ((64, 64), (50, 150), (190, 250)):
            first, second = frames(6, *size), frames(6, *size, seed=1)
            due = (second.astype(np.float32) - first)[..., :2]
            np.testing.assert_allclose(engine.batch(first, second), due, atol=1e-3)


@every_order
def test_a_static_plan_is_replayed(
    tensorrt: TensorRT, machine: Machine, write_bundle: WriteBundle, frames: MakeFrames, tmp_path: Path
) -> None:
    options = PlanOptions(tensorrt.state.flavour, plugin="none", shapes=STATIC, verify=False)
    build_from_bundle(write_bundle(shape=(1, 3, 64, 96)), tmp_path / "out", options)
    with load_engine(tmp_path / "out", "tensorrt", cuda_graph=True) as engine:
        for seed in range(3):
            first, second = frames(2, 64, 96, seed=seed)
            due = (second.astype(np.float32) - first)[..., :2]
            np.testing.assert_allclose(engine(first, second), due, atol=1e-3)
    assert (machine.captures, machine.launches) == (1, 2)


@pytest.mark.parametrize("tensorrt", [TENSORRT_11], ids=["11.4"], indirect=True)
def test_the_model_of_pytorch_and_its_plan_agree(
    tensorrt: TensorRT, nano_bundle: Path, frames: MakeFrames, tmp_path: Path
) -> None:
    options = PlanOptions(tensorrt.state.flavour, plugin="none", shapes=STATIC, verify=False)
    build_from_bundle(nano_bundle, tmp_path / "out", options)
    pair = frames(2, 64, 96)
    with load_engine(tmp_path / "out", "tensorrt") as engine, load_engine("nano", "pytorch", "cpu") as torch:
        flow = engine(*pair)
        assert np.abs(flow).max() > 1
        np.testing.assert_allclose(flow, torch(*pair), atol=2e-3)
