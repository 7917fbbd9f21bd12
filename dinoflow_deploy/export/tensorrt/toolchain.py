"""Where a plan is built and for what: the installed TensorRT, the GPU, compute capabilities."""

import os
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from dinoflow_deploy.errors import DeviceError, ExportError, InputError
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.system.gpus import Gpu
from dinoflow_deploy.system.machine import describe_machine
from dinoflow_deploy.system.optional import install_command, requirements
from dinoflow_deploy.tensorrt.flavours import RTX, Flavour, find_flavour, release_of

_OLDEST: Final = (10, 16)
_LEVELS: Final = {"none": "NONE", "same-cc": "SAME_COMPUTE_CAPABILITY", "ampere-plus": "AMPERE_PLUS"}


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A TensorRT, and the GPUs that its plans are for.

    Attributes:
        flavour: Which TensorRT.
        module: Its Python module.
        gpu: This machine's GPU; ``None`` where there is none.
        compute_capabilities: What the plan is for, for instance ``("9.0",)``.
    """

    flavour: Flavour
    module: ModuleType
    gpu: Gpu | None
    compute_capabilities: tuple[str, ...]

    @property
    def version(self) -> str:
        """Version of TensorRT."""
        return str(self.module.__version__)

    @property
    def title(self) -> str:
        """Its name and version in sentences."""
        return f"{self.flavour.title} {self.version}"

    @property
    def not_run_reason(self) -> str | None:
        """Why this machine cannot run the plan; ``None`` where it can."""
        if self.gpu is None:
            return "no GPU"
        if self.gpu.compute_capability not in self.compute_capabilities:
            return f"this machine's GPU has compute capability {self.gpu.compute_capability}"
        return None


def find_toolchain(options: PlanOptions) -> Toolchain:
    """Look at what is installed and whether there is a GPU.

    Raises:
        MissingPackageError: The flavour is not installed.
        EngineError: It does not load.
        ExportError: It is too old.
        DeviceError: It needs a GPU and there is none.
        InputError: It does not build for a compute capability that was asked for, or must be told one.
    """
    flavour = find_flavour(options.flavour)
    module = flavour.load("building a plan")
    _check_version(flavour, module)
    gpu = _building_gpu()
    if gpu is None and not flavour.builds_without_gpu:
        raise DeviceError(
            f"{flavour.title} builds plans on the GPU that runs them, and nvidia-smi finds none: build on "
            "such a machine, with an exported bundle as --model, or use --flavour rtx with "
            "--compute-capability"
        )
    if flavour is RTX:
        return Toolchain(flavour, module, gpu, _rtx_capabilities(module, options, gpu))
    hardware_compatibility(module, options)
    assert gpu is not None
    return Toolchain(flavour, module, gpu, (gpu.compute_capability,))


def hardware_compatibility(trt: ModuleType, options: PlanOptions) -> object:
    """TensorRT's own value for what the options ask.

    Raises:
        InputError: This version of TensorRT does not have it.
    """
    name = _LEVELS[options.hardware_compatibility]
    if not hasattr(trt.HardwareCompatibilityLevel, name):
        raise InputError(
            f"TensorRT {trt.__version__} has no hardware compatibility '{options.hardware_compatibility}'"
        )
    return getattr(trt.HardwareCompatibilityLevel, name)


def _check_version(flavour: Flavour, module: ModuleType) -> None:
    if flavour is not RTX and release_of(module) < _OLDEST:
        raise ExportError(
            f"TensorRT {module.__version__} is too old, DINOv3 comes out wrong in some versions before "
            f"{'.'.join(map(str, _OLDEST))}: {install_command(requirements('tensorrt'), '--upgrade')}"
        )


def _building_gpu() -> Gpu | None:
    gpus = describe_machine().gpus
    if len({(gpu.name, gpu.compute_capability) for gpu in gpus}) <= 1:
        return gpus[0] if gpus else None
    # CUDA counts the fastest first, nvidia-smi by the bus: only told so do they agree.
    number = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    if os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID" and number.isdecimal() and int(number) < len(gpus):
        return gpus[int(number)]
    raise DeviceError(
        f"this machine has several kinds of GPU, {', '.join(gpu.name for gpu in gpus)}: say which one "
        "builds, with CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=N, N as nvidia-smi counts"
    )


def _rtx_capabilities(trt: ModuleType, options: PlanOptions, gpu: Gpu | None) -> tuple[str, ...]:
    known = [_dotted(name) for name in trt.ComputeCapability.__members__ if name.startswith("SM")]
    wanted = options.compute_capabilities or ((gpu.compute_capability,) if gpu else ())
    if not wanted:
        raise InputError(
            "nvidia-smi finds no GPU to build for: say what TensorRT-RTX is to build for with "
            f"--compute-capability, any of {', '.join(known)}"
        )
    for capability in wanted:
        if capability not in known:
            raise InputError(
                f"TensorRT-RTX {trt.__version__} does not build for the compute capability {capability}: "
                f"it builds for {', '.join(known)}; use --flavour tensorrt on that GPU"
            )
    return wanted


def _dotted(name: str) -> str:
    digits = name.removeprefix("SM")
    return f"{digits[:-1]}.{digits[-1]}"
