"""Loading a plan into TensorRT to look at it. It needs TensorRT and its kind of GPU."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from dinoflow_deploy.engines.tensorrt.flavours import Flavour
from dinoflow_deploy.engines.tensorrt.log import log_of
from dinoflow_deploy.errors import MissingPackageError

_NO_DRIVER: Final = "CUDA driver version is insufficient"
_NO_GPU: Final = "it finds no NVIDIA GPU, or its driver is too old"
_WITHOUT_CODE: Final = " (native code in it was not allowed: --allow-host-code, if you trust the plan)"


@dataclass(frozen=True, slots=True)
class LoadedPlan:
    """A plan in memory.

    Attributes:
        trt: The TensorRT that loaded it.
        runtime: What holds it.
        engine: TensorRT's ``ICudaEngine``.
    """

    trt: ModuleType
    runtime: Any
    engine: Any


def load_plan(
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
        except (MissingPackageError, ImportError, OSError) as error:
            reasons.append(str(error))
            continue
        loaded, reason = _deserialise(trt, path.read_bytes(), allow_host_code=allow_host_code)
        if loaded is not None:
            return loaded, ""
        if reason != _NO_GPU and not allow_host_code:
            reason += _WITHOUT_CODE
        reasons.append(f"{flavour.title} {trt.__version__} cannot load it here: {reason}")
    return None, "; ".join(reasons)


def _deserialise(trt: ModuleType, plan: bytes, *, allow_host_code: bool) -> tuple[LoadedPlan | None, str]:
    log = log_of(trt)
    with log.listen() as messages:
        try:
            runtime = trt.Runtime(log.logger)
            runtime.engine_host_code_allowed = allow_host_code
            engine = runtime.deserialize_cuda_engine(plan)
        except (RuntimeError, TypeError) as error:  # the bindings' own, where nothing could be made
            if not messages.errors:
                messages.errors.append(str(error))
            engine = None
    if engine is None:
        reason = messages.why()
        return None, _NO_GPU if _NO_DRIVER in reason else reason
    return LoadedPlan(trt, runtime, engine), ""
