"""PyTorch to ONNX to TensorRT: the correlation operator, the exporter, plans, parity.

Heavy modules load when a name is first used.
"""

from typing import TYPE_CHECKING

from dinoflow_deploy.lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ExportOptions": "export.options",
        "ExportReport": "export.bundle_writer",
        "ModelSource": "export.source",
        "PlanOptions": "export.tensorrt.options",
        "build_from_bundle": "export.tensorrt.from_bundle",
        "export_bundle": "export.bundle_writer",
    },
)
