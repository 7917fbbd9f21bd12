"""ONNX Runtime's TensorRT provider, where its build fits the TensorRT that is installed."""

import platform
import re
from importlib import metadata
from typing import ClassVar, Final

import onnxruntime

from dinoflow_deploy.engines.backend import Backend
from dinoflow_deploy.engines.devices import Device
from dinoflow_deploy.engines.onnxruntime.engine import OnnxRuntimeEngine
from dinoflow_deploy.engines.onnxruntime.packages import cuda_fix
from dinoflow_deploy.engines.onnxruntime.providers import TENSORRT, provider_problem
from dinoflow_deploy.engines.onnxruntime.tensorrt_backend import BACKEND
from dinoflow_deploy.errors import DeviceError
from dinoflow_deploy.system.optional import install_command

_INSTEAD: Final = "use the backend 'tensorrt' with a plan, or 'onnxruntime'"
_DISTRIBUTIONS: Final = ("tensorrt-cu13", "tensorrt", "tensorrt-cu12")
_LIBRARY: Final = re.compile(r"libnv(?:infer|onnxparser)\w*\.so\.(\d+)")


class OnnxRuntimeTensorRTEngine(OnnxRuntimeEngine):
    """Runs a bundle or a bare ``.onnx`` file with ONNX Runtime's TensorRT provider.

    It builds a plan when it first meets a shape, and again when a shape leaves what it has built for; plans
    are kept in the user's cache (``dinoflow-deploy/onnxruntime``). The local correlation is computed by its
    body, not by a plugin, and an fp32 model may be computed in TF32.
    :class:`~dinoflow_deploy.engines.tensorrt.engine.TensorRTEngine` is the more predictable way, and takes
    plugins; this one is for programs that are built on ONNX Runtime.

    Not run on hardware yet; see the README.

    Args:
        path: Folder of a bundle, or an ``.onnx`` file.
        device: ``"auto"``, ``"cuda"`` or ``"cuda:1"``.
        convert_colors: Take grey and RGBA frames too.
        intra_op_threads: Threads within one operator on the CPU; by default one per core.

    Raises:
        FileFormatError: The file is damaged, or not an optical-flow model.
        DeviceError: The provider does not work here, or cannot compute every node.
        EngineError: ONNX Runtime cannot run the model.
    """

    row: ClassVar[Backend] = BACKEND

    def _choose(self, device: Device) -> tuple[Device, str]:
        if device.kind == "cpu":
            raise DeviceError(f"TensorRT runs on NVIDIA GPUs only: for the device 'cpu' {_INSTEAD}")
        problem = provider_problem(TENSORRT, device.index)
        if problem is not None:
            raise DeviceError(
                f"ONNX Runtime {onnxruntime.__version__} cannot use TensorRT: {problem}.\n{_fix(problem)}"
            )
        return Device("cuda", device.index), TENSORRT


def _fix(problem: str) -> str:
    if TENSORRT not in onnxruntime.get_available_providers():
        if platform.machine() == "aarch64":
            return f"The packages for aarch64 come without it: {_INSTEAD}"
        return f"Run: {cuda_fix()}; or {_INSTEAD}"
    library = _LIBRARY.search(problem)
    if library is None:
        return f"With an NVIDIA GPU and its driver it should; or {_INSTEAD}"
    major = int(library[1])
    command = install_command([f"tensorrt-cu13=={major}.*"])
    return f"It is built for TensorRT {major}, and {_installed()}: {command}; or {_INSTEAD}"


def _installed() -> str:
    for name in _DISTRIBUTIONS:
        try:
            return f"TensorRT {metadata.version(name)} is installed"
        except metadata.PackageNotFoundError:
            continue
    return "no TensorRT is installed"
