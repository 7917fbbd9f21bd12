"""The model in place of TensorRT and cuda-python, for tests; a plugin of pytest."""

import gc
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from typing import Any

import pytest

from tests.tensorrt_model.cuda import CudaRuntime
from tests.tensorrt_model.flavours import TENSORRT_11, Modelled
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT
from tests.tensorrt_model.schedule import ORDERS

every_order = pytest.mark.parametrize("order", ORDERS, indirect=True)
"""Runs a test with a GPU that works at once, late, and in any order that it may."""
Install = Callable[[Modelled], TensorRT]


@pytest.fixture
def order(request: pytest.FixtureRequest) -> str:
    """When the GPU does its work; without ``every_order``, as late as can be."""
    return str(getattr(request, "param", "late"))


@pytest.fixture
def machine(order: str, request: pytest.FixtureRequest) -> Machine:
    """Two GPUs of compute capability 9.0."""
    return Machine(((9, 0), (9, 0)), order, seed=request.node.name)


@pytest.fixture
def only_new_garbage() -> Iterator[None]:
    """Garbage is looked for among a test's own objects: among all that is imported, that takes a second."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def install_tensorrt(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, only_new_garbage: None
) -> Iterator[Install]:
    """Put a modelled TensorRT, and cuda-python's model, where they are imported from.

    Whatever is broken or left behind when the test is done fails it.
    """
    installed: list[TensorRT] = []

    def install(modelled: Modelled) -> TensorRT:
        module = TensorRT(machine, modelled)
        _install(monkeypatch, modelled.module, module)
        if hasattr(module, "plugin"):
            monkeypatch.setitem(sys.modules, f"{modelled.module}.plugin", module.plugin)
        installed.append(module)
        return module

    _install(monkeypatch, "cuda.bindings.runtime", CudaRuntime(machine))
    yield install
    # An exception that a test has caught holds the frames that it came through.
    gc.collect()
    for module in installed:
        assert module.state.violations == []
        assert module.state.living == []
    assert machine.failure is None
    assert machine.leaks() == []


@pytest.fixture
def trt(install_tensorrt: Install) -> TensorRT:
    """TensorRT 11.4."""
    return install_tensorrt(TENSORRT_11)


def _install(monkeypatch: pytest.MonkeyPatch, name: str, module: Any) -> None:
    """Make a module, whose package need not be there, importable."""
    package = name.partition(".")[0]
    module.__spec__ = ModuleSpec(name, None)
    monkeypatch.setitem(sys.modules, name, module)
    if package not in sys.modules:
        parent = type(sys)(package)
        parent.__spec__ = ModuleSpec(package, None)
        monkeypatch.setitem(sys.modules, package, parent)
