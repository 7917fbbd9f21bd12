"""The real cuda-python: every name that we use is there, and a machine without a GPU is told apart."""

import ast
import re
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from dinoflow_deploy.engines.tensorrt import cuda as cuda_module
from dinoflow_deploy.engines.tensorrt.cuda import Cuda, gpu_is_usable
from dinoflow_deploy.errors import DeviceError, MissingPackageError
from tests.tensorrt_model.cuda import CudaRuntime

FOLDER = Path(cuda_module.__file__).parent
NAME = re.compile(r"cuda[A-Z]\w*")
ADDRESS = 0x7F00_0000_1000
HANDLES = ("cudaEvent_t", "cudaGraph_t", "cudaGraphExec_t")

CALLS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("cudaGetDevice", ()),
    ("cudaSetDevice", (0,)),
    ("cudaMalloc", (4096,)),
    ("cudaHostAlloc", (4096, 0)),
    ("cudaFree", (ADDRESS,)),
    ("cudaFreeHost", (ADDRESS,)),
    ("cudaPointerGetAttributes", (ADDRESS,)),
    ("cudaStreamCreateWithFlags", (1,)),
    ("cudaStreamDestroy", (ADDRESS,)),
    ("cudaStreamSynchronize", (ADDRESS,)),
    ("cudaMemcpyAsync", (ADDRESS, ADDRESS, 4096, "cudaMemcpyKind.cudaMemcpyDefault", ADDRESS)),
    ("cudaEventCreateWithFlags", (2,)),
    ("cudaEventRecord", ("cudaEvent_t", ADDRESS)),
    ("cudaStreamWaitEvent", (ADDRESS, "cudaEvent_t", 0)),
    ("cudaEventDestroy", ("cudaEvent_t",)),
    (
        "cudaStreamBeginCapture",
        (ADDRESS, "cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal"),
    ),
    ("cudaStreamEndCapture", (ADDRESS,)),
    ("cudaGraphInstantiate", ("cudaGraph_t", 0)),
    ("cudaGraphLaunch", ("cudaGraphExec_t", ADDRESS)),
    ("cudaGraphDestroy", ("cudaGraph_t",)),
    ("cudaGraphExecDestroy", ("cudaGraphExec_t",)),
    ("cudaDeviceGetAttribute", ("cudaDeviceAttr.cudaDevAttrComputeCapabilityMajor", 0)),
)
"""Every function that the engine calls, with arguments of the kinds that it passes; names are made first."""


def names_in(source: str) -> set[str]:
    """CUDA's names in the string constants of a source, documentation aside."""
    tree = ast.parse(source)
    constants = {
        node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and node.value in constants:
            constants.remove(node.value)
    return {name for each in constants for name in NAME.findall(str(each.value))}


def members(runtime: Any) -> set[str]:
    """Names of a module and of the members of its enumerations, whose class differs between versions."""
    kinds = [value for value in vars(runtime).values() if hasattr(value, "__members__")]
    return {*dir(runtime), *(name for kind in kinds for name in kind.__members__)}


@pytest.fixture
def runtime() -> Any:
    return pytest.importorskip("cuda.bindings.runtime", reason="cuda-python is not installed")


def test_every_name_of_ours_is_cudas(runtime: Any) -> None:
    used = {name for path in FOLDER.glob("*.py") for name in names_in(path.read_text())}
    assert {"cudaMalloc", "cudaStreamBeginCapture", "cudaErrorMemoryAllocation"} <= used
    assert used - members(runtime) == set()


def test_a_misspelt_name_is_found(runtime: Any) -> None:
    source = 'def f(cuda):\n    """Calls cudaNothing."""\n    cuda.call("cudaMallok", 4)\n'
    assert names_in(source) - members(runtime) == {"cudaMallok"}


def test_the_fake_has_no_name_of_its_own(runtime: Any) -> None:
    fake = {name: value for name, value in vars(CudaRuntime).items() if not name.startswith("_")}
    assert set(fake) - set(dir(runtime)) == set()
    for name, value in fake.items():
        if hasattr(value, "__members__"):
            real = getattr(runtime, name).__members__
            assert {key: int(each) for key, each in value.__members__.items()} == {
                key: int(real[key]) for key in value.__members__
            }
        elif isinstance(value, int):
            assert value == getattr(runtime, name)


@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="there is an NVIDIA driver")
def test_a_machine_without_a_driver_is_told_so(runtime: Any) -> None:
    with pytest.raises(
        DeviceError, match=r"needs an NVIDIA GPU .* cudaErrorInsufficientDriver \(CUDA driver"
    ):
        Cuda("this test").device_count()
    assert not gpu_is_usable()


def test_cuda_python_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinoflow_deploy.system.optional.is_installed", lambda package: False)
    monkeypatch.setattr(cuda_module, "is_installed", lambda package: False)
    with pytest.raises(MissingPackageError, match=r"running a plan needs the package 'cuda', .*cuda-python"):
        Cuda("running a plan")
    assert not gpu_is_usable()


@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="the addresses are made up")
@pytest.mark.parametrize(
    ("function", "arguments"),
    CALLS,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_cuda_python_takes_the_arguments_that_the_engine_passes(
    runtime: Any, function: str, arguments: tuple[Any, ...]
) -> None:
    """It checks types before it asks the driver, which is not there; the fake has the same function."""
    cuda = Cuda("this test")
    passed = [cuda.constant(each) if isinstance(each, str) else each for each in arguments]
    passed = [each() if isinstance(each, type) and each.__name__ in HANDLES else each for each in passed]
    with pytest.raises(DeviceError, match="cudaErrorInsufficientDriver"):
        cuda.call(function, *passed)


def test_the_calls_above_are_those_of_the_fake() -> None:
    """Which the other tests hold to being those of the engine."""
    functions = {name for name, value in vars(CudaRuntime).items() if type(value) is FunctionType}
    asked_alone = {"cudaGetErrorString", "cudaGetDeviceCount", "__init__"}
    assert functions - asked_alone == {function for function, _ in CALLS}


def test_handles_of_cuda_python_are_numbers(runtime: Any) -> None:
    assert int(runtime.cudaStream_t(ADDRESS)) == ADDRESS
    assert int(runtime.cudaGraph_t()) == 0
