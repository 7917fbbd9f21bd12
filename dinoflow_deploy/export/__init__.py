"""PyTorch to ONNX to TensorRT: the correlation operator, the exporter, plans, parity.

Heavy modules load when a name is first used.
"""

from typing import TYPE_CHECKING

from dinoflow_deploy.lazy import lazy_names

if TYPE_CHECKING:
    from dinoflow_deploy.export.from_bundle import build_from_bundle
    from dinoflow_deploy.export.from_weights import export_bundle
    from dinoflow_deploy.export.options import ExportOptions
    from dinoflow_deploy.export.report import ExportReport
    from dinoflow_deploy.export.source import ModelSource
    from dinoflow_deploy.export.tensorrt.options import PlanOptions
    from dinoflow_deploy.export.triton.options import TritonOptions

__all__ = [
    "ExportOptions",
    "ExportReport",
    "ModelSource",
    "PlanOptions",
    "TritonOptions",
    "build_from_bundle",
    "export_bundle",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ExportOptions": "export.options",
        "ExportReport": "export.report",
        "ModelSource": "export.source",
        "PlanOptions": "export.tensorrt.options",
        "TritonOptions": "export.triton.options",
        "build_from_bundle": "export.from_bundle",
        "export_bundle": "export.from_weights",
    },
)
