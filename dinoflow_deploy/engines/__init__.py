"""Run a model: PyTorch and ONNX Runtime behind one interface.

Importing this package loads neither torch nor ONNX Runtime; each is loaded when an engine that needs it is.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dinoflow_deploy.engines.base import EngineDescription, FlowEngine, InputRange
    from dinoflow_deploy.engines.bundle import Bundle, Manifest
    from dinoflow_deploy.engines.loading import load_engine

_MODULE_OF = {
    "Bundle": "bundle",
    "EngineDescription": "base",
    "FlowEngine": "base",
    "InputRange": "base",
    "Manifest": "bundle",
    "load_engine": "loading",
}

__all__ = ["Bundle", "EngineDescription", "FlowEngine", "InputRange", "Manifest", "load_engine"]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
