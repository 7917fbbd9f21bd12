import gc
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinoflow_deploy.bundles.bundle import FileInfo, PlanInfo
from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from tests.engines.tensorrt.fake_cuda import FakeMachine, FakeRuntime
from tests.engines.tensorrt.fake_tensorrt import FakeTensorRT, Profile, plan_bytes
from tests.small_bundles import WriteBundle, make_manifest

WritePlan = Callable[..., Path]
PLAN_INPUTS = InputRange(AxisRange(1, 1, 4), AxisRange(64, 96, 256), AxisRange(64, 128, 256))


@pytest.fixture(autouse=True)
def _collect_what_is_new() -> Iterator[None]:
    """Garbage is looked for among a test's own objects: among all that is imported, that takes a second."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def machine() -> FakeMachine:
    """Two GPUs of compute capability 9.0."""
    return FakeMachine(((9, 0), (9, 0)))


@pytest.fixture
def trt(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorRT]:
    """The fakes in place of cuda-python and TensorRT; whatever is broken or left behind fails the test."""
    module = FakeTensorRT(machine)
    install(monkeypatch, "tensorrt", module)
    install(monkeypatch, "cuda.bindings.runtime", FakeRuntime(machine))
    yield module
    # An exception that a test has caught holds the frames that it came through.
    gc.collect()
    assert module.state.violations == []
    assert module.state.living == []
    assert machine.leaks() == []


def install(monkeypatch: pytest.MonkeyPatch, name: str, module: Any) -> None:
    """Make a module, whose package need not be there, importable."""
    package = name.partition(".")[0]
    module.__spec__ = ModuleSpec(name, None)
    monkeypatch.setitem(sys.modules, name, module)
    if package not in sys.modules:
        parent = type(sys)(package)
        parent.__spec__ = ModuleSpec(package, None)
        monkeypatch.setitem(sys.modules, package, parent)


@pytest.fixture
def write_plan(tmp_path: Path) -> WritePlan:
    """Write a bare plan of these profiles; further arguments are those of ``plan_bytes``."""

    def write(*profiles: Profile, name: str = "difference.plan", **changes: Any) -> Path:
        path = tmp_path / name
        path.write_bytes(plan_bytes(*profiles, **changes))
        return path

    return write


@pytest.fixture
def write_planned(write_bundle: WriteBundle) -> WritePlan:
    """Write a bundle that holds a plan; ``plan`` is for ``plan_bytes``, the rest for ``PlanInfo``."""

    def write(
        name: str = "bundle",
        plan: dict[str, Any] | None = None,
        flavours: tuple[str, ...] = ("tensorrt",),
        **info: Any,
    ) -> Path:
        folder = write_bundle(name)
        infos = tuple(plan_info(flavour=each, file=f"{each}.plan", **info) for each in flavours)
        for each in infos:
            (folder / each.file).write_bytes(plan_bytes(**(plan or {})))
        files = {file: FileInfo.of(folder / file) for file in ("model.onnx", *(each.file for each in infos))}
        manifest = make_manifest(files, precision="fp16", plans=infos)
        (folder / "manifest.json").write_text(manifest.to_json())
        return folder

    return write


def plan_info(**changes: Any) -> PlanInfo:
    known: dict[str, Any] = {
        "file": "tensorrt.plan",
        "flavour": "tensorrt",
        "version": "11.4.0.106",
        "compute_capabilities": ("9.0",),
        "gpu": "NVIDIA GH200 480GB",
        "driver": "580.95",
        "inputs": PLAN_INPUTS,
        "plugin": "none",
        "hardware_compatibility": "none",
        "optimization_level": 3,
        "key": "0" * 64,
        "parity": None,
    }
    return PlanInfo(**known | changes)


def expected(frames1: np.ndarray, frames2: np.ndarray) -> np.ndarray:
    """The flow of the model in the fake: (red, green) of the difference of the frames."""
    return (frames2.astype(np.float32) - frames1)[..., :2]
