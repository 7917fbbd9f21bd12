"""PyTorch to ONNX to TensorRT: the correlation operator, the exporter, plans, parity.

Heavy modules load when a name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dinoflow_deploy.export.bundle_writer import ExportReport, export_bundle
    from dinoflow_deploy.export.options import ExportOptions
    from dinoflow_deploy.export.source import ModelSource
    from dinoflow_deploy.export.tensorrt.from_bundle import build_from_bundle
    from dinoflow_deploy.export.tensorrt.options import PlanOptions

__all__ = [
    "ExportOptions",
    "ExportReport",
    "ModelSource",
    "PlanOptions",
    "build_from_bundle",
    "export_bundle",
]

_HOMES = {
    "ExportOptions": "options",
    "ExportReport": "bundle_writer",
    "ModelSource": "source",
    "PlanOptions": "tensorrt.options",
    "build_from_bundle": "tensorrt.from_bundle",
    "export_bundle": "bundle_writer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
