"""TensorRT-RTX builds for real, without a GPU; TensorRT itself is modelled."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dinoflow_deploy.export.tensorrt import toolchain
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.system.gpus import Gpu
from dinoflow_deploy.system.machine import describe_machine
from tests.export.plugin.conftest import stand_in as stand_in
from tests.tensorrt_model.fixtures import Install
from tests.tensorrt_model.flavours import TENSORRT_10, TENSORRT_11
from tests.tensorrt_model.module import TensorRT

GH200 = Gpu("NVIDIA GH200 480GB", 97871 << 20, "9.0", "580.65.06")
RTX_OPTIONS = PlanOptions(flavour="rtx", plugin="none", compute_capabilities=("8.9",), optimization_level=0)


class Recorder:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.amounts: list[float] = []
        self.notes: list[str] = []

    def start(self, description: str, total: float | None, unit: str) -> None:
        self.stages.append(description)

    def advance(self, amount: float = 1.0, **figures: float) -> None:
        self.amounts.append(amount)

    def note(self, message: str) -> None:
        self.notes.append(message)

    def finish(self) -> None:
        pass


@pytest.fixture
def nano_bundle() -> Path:
    """The built-in bundle: nano, fp32, any shape."""
    return builtin_models()["nano"].bundle


@pytest.fixture
def set_gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make up the GPUs of this machine."""

    def make(*gpus: Gpu) -> None:
        machine = replace(describe_machine(), gpus=gpus)
        monkeypatch.setattr(toolchain, "describe_machine", lambda: machine)

    make()
    return make


@pytest.fixture(params=[TENSORRT_10, TENSORRT_11], ids=["10.16", "11.4"])
def tensorrt(
    request: pytest.FixtureRequest, install_tensorrt: Install, set_gpus: Callable[..., None]
) -> TensorRT:
    """TensorRT of both versions on a GH200, both modelled."""
    set_gpus(GH200)
    return install_tensorrt(request.param)
