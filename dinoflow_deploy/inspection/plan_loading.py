"""Loading a plan into TensorRT to look at it. It needs TensorRT and its kind of GPU."""

from pathlib import Path
from typing import Final

from dinoflow_deploy.engines.tensorrt.loaded_plan import LoadedPlan, load_plan
from dinoflow_deploy.errors import EngineError, MissingPackageError
from dinoflow_deploy.tensorrt.flavours import Flavour

_NO_DRIVER: Final = "CUDA driver version is insufficient"
_NO_GPU: Final = "it finds no NVIDIA GPU, or its driver is too old"
_WITHOUT_CODE: Final = " (native code in it was not allowed: --allow-host-code, if you trust the plan)"


def load_anywhere(
    path: Path, flavours: tuple[Flavour, ...], *, allow_host_code: bool
) -> tuple[LoadedPlan | None, str]:
    """Load a plan into the first TensorRT that takes it.

    Args:
        path: The file.
        flavours: The TensorRTs that may have built it.
        allow_host_code: Let TensorRT load native code that the plan carries.

    Returns:
        The plan, or ``None`` and why none of them loads it here.
    """
    reasons = []
    for flavour in flavours:
        try:
            trt = flavour.load("reading a plan's layers")
        except (MissingPackageError, EngineError) as error:
            reasons.append(str(error))
            continue
        loaded, reason = load_plan(trt, path.read_bytes(), allow_host_code=allow_host_code)
        if loaded is not None:
            return loaded, ""
        if _NO_DRIVER in reason:
            reason = _NO_GPU
        elif not allow_host_code:
            reason += _WITHOUT_CODE
        reasons.append(f"{flavour.title} {trt.__version__} cannot load it here: {reason}")
    return None, "; ".join(reasons)
