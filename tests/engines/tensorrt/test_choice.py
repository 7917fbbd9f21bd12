"""When "auto" runs a bundle's plan; on the model."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dinoflow_deploy import load_engine
from dinoflow_deploy.engines.tensorrt.choice import planned_flavours
from dinoflow_deploy.errors import EngineError, InputError
from tests.engines.tensorrt.conftest import WritePlan, expected
from tests.small_bundles import WriteBundle
from tests.tensorrt_model.flavours import TENSORRT_10
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT

MakeFrames = Callable[..., np.ndarray]


@pytest.mark.parametrize(
    ("backend", "device", "chosen"),
    [
        ("auto", "auto", "tensorrt"),
        ("auto", "cuda", "tensorrt"),
        ("auto", "cpu", "openvino"),
        ("tensorrt", "auto", "tensorrt"),
        ("onnxruntime", "cpu", "onnxruntime"),
    ],
)
def test_a_bundle_with_a_plan(
    trt: TensorRT, write_planned: WritePlan, frames: MakeFrames, backend, device, chosen
) -> None:
    first, second = frames(2, 64, 80)
    with load_engine(write_planned(), backend, device) as engine:
        assert engine.describe().backend == chosen
        np.testing.assert_allclose(engine(first, second), expected(first, second), atol=1e-3)


def test_without_a_gpu_auto_is_openvino(trt: TensorRT, machine: Machine, write_planned: WritePlan) -> None:
    machine.capabilities = ()
    with load_engine(write_planned()) as engine:
        assert engine.describe().backend == "openvino"


def test_a_plan_for_another_tensorrt_is_no_reason_for_auto(
    trt: TensorRT, write_planned: WritePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RTX is not installed, its plan cannot run here."""
    monkeypatch.setattr("dinoflow_deploy.tensorrt.flavours.is_installed", lambda name: name == "tensorrt")
    with load_engine(write_planned(flavours=("rtx",)), device="auto") as engine:
        assert engine.describe().backend == "openvino"


def test_a_plan_that_has_to_be_rebuilt_is_an_error_and_not_replaced(
    trt: TensorRT, write_planned: WritePlan
) -> None:
    with pytest.raises(EngineError, match="Build it again"):
        load_engine(write_planned(plan={"modelled": TENSORRT_10}, version="10.16.1.11"))


@pytest.mark.parametrize("name", ["bare.plan", "bare.engine", "bare.trt"])
def test_a_bare_plan_runs(trt: TensorRT, write_plan: WritePlan, frames: MakeFrames, name: str) -> None:
    first, second = frames(2, 64, 80)
    with load_engine(write_plan(name=name)) as engine:
        np.testing.assert_allclose(engine(first, second), expected(first, second), atol=1e-3)
    with pytest.raises(InputError, match=r"which is a TensorRT plan: use tensorrt$"):
        load_engine(write_plan(), "onnxruntime")


def test_pytorch_does_not_run_a_bundle_with_a_plan(trt: TensorRT, write_planned: WritePlan) -> None:
    with pytest.raises(
        InputError, match="a bundle with a TensorRT plan: use tensorrt, openvino, onnxruntime"
    ):
        load_engine(write_planned(), "pytorch")


def test_plans_are_known_from_the_manifest_alone(
    write_bundle: WriteBundle, write_planned: WritePlan, tmp_path: Path
) -> None:
    assert planned_flavours(write_planned(flavours=("tensorrt", "rtx"))) == ("tensorrt", "rtx")
    assert planned_flavours(write_bundle("plain")) == ()
    assert planned_flavours(tmp_path / "absent") == ()
    (tmp_path / "manifest.json").write_text("{}")
    assert planned_flavours(tmp_path) == ()
