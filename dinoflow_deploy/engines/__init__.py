"""Run a model: PyTorch and ONNX Runtime behind one interface.

Importing this package loads neither torch nor ONNX Runtime; each is loaded when an engine that needs it is.
"""

from typing import TYPE_CHECKING

from dinoflow_deploy.lazy import lazy_names

if TYPE_CHECKING:
    from dinoflow_deploy.bundles.bundle import Bundle
    from dinoflow_deploy.bundles.input_range import InputRange
    from dinoflow_deploy.bundles.manifest import Manifest
    from dinoflow_deploy.engines.base import EngineDescription, FlowEngine
    from dinoflow_deploy.engines.frame_conversion import to_frame
    from dinoflow_deploy.engines.loading import load_engine

__all__ = ["Bundle", "EngineDescription", "FlowEngine", "InputRange", "Manifest", "load_engine", "to_frame"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Bundle": "bundles.bundle",
        "EngineDescription": "engines.base",
        "FlowEngine": "engines.base",
        "InputRange": "bundles.input_range",
        "Manifest": "bundles.bundle",
        "load_engine": "engines.loading",
        "to_frame": "engines.frame_conversion",
    },
)
