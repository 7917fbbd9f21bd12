"""DinoFlow optical flow, from PyTorch weights to ONNX, ONNX Runtime and TensorRT.

    from dinoflow_deploy import load_engine

    with load_engine("nano") as engine:
        flow = engine(frame1, frame2)

Importing this package is cheap: what is heavy is loaded when first used.
"""

from typing import TYPE_CHECKING

from dinoflow_deploy.errors import DinoFlowError
from dinoflow_deploy.lazy import lazy_names

if TYPE_CHECKING:
    from dinoflow_deploy.engines import FlowEngine, load_engine, to_frame
    from dinoflow_deploy.system.freed_memory import keep_freed_memory

__version__ = "0.1.0"
__all__ = ["DinoFlowError", "FlowEngine", "__version__", "keep_freed_memory", "load_engine", "to_frame"]

__getattr__, __dir__ = lazy_names(
    __name__,
    dict.fromkeys(("FlowEngine", "load_engine", "to_frame"), "engines")
    | {"keep_freed_memory": "system.freed_memory"},
)
