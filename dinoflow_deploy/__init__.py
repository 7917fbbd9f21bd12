"""DinoFlow optical flow, from PyTorch weights to ONNX, ONNX Runtime and TensorRT.

    from dinoflow_deploy import load_engine

    with load_engine("nano") as engine:
        flow = engine(frame1, frame2)

Importing this package is cheap: what is heavy is loaded when first used.
"""

from typing import TYPE_CHECKING, Any

from dinoflow_deploy.errors import DinoFlowError

if TYPE_CHECKING:
    from dinoflow_deploy.engines import FlowEngine, load_engine

__version__ = "0.1.0"
__all__ = ["DinoFlowError", "FlowEngine", "__version__", "load_engine"]


def __getattr__(name: str) -> Any:
    if name in ("FlowEngine", "load_engine"):
        from dinoflow_deploy import engines

        return getattr(engines, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
