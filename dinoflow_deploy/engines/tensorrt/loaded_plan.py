"""A plan in TensorRT's memory."""

from types import ModuleType
from typing import Any

from dinoflow_deploy.tensorrt.log import log_of


class LoadedPlan:
    """TensorRT's engine with the runtime that has to outlive it.

    Attributes:
        trt: The module that loaded it.
        engine: TensorRT's ``ICudaEngine``.
    """

    def __init__(self, trt: ModuleType, cuda_engine: Any, runtime: Any) -> None:
        self.trt = trt
        # Python lets go of them in this order.
        self.engine = cuda_engine
        self._runtime = runtime


def load_plan(trt: ModuleType, content: bytes, *, allow_host_code: bool) -> tuple[LoadedPlan | None, str]:
    """Load a plan onto the current device.

    Args:
        trt: The module of its flavour.
        content: The plan.
        allow_host_code: Whether native code in it may be loaded; it runs with the rights of this process.

    Returns:
        The plan; or ``None``, and what TensorRT says.
    """
    log = log_of(trt)
    with log.listen() as messages:
        try:
            runtime = trt.Runtime(log.logger)
            runtime.engine_host_code_allowed = allow_host_code
            cuda_engine = runtime.deserialize_cuda_engine(content)
        except (RuntimeError, TypeError) as error:  # the bindings' own, where nothing could be made
            if not messages.errors:
                messages.errors.append(str(error))
            cuda_engine = None
    if cuda_engine is None:
        return None, messages.why()
    return LoadedPlan(trt, cuda_engine, runtime), ""
