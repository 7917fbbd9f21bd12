"""Optical flow as data: files, colours, metrics, padding, warping, occlusion. NumPy, no torch.

Heavy modules load when a name is first used.
"""

from typing import TYPE_CHECKING

from dinoflow_deploy.lazy import lazy_names

if TYPE_CHECKING:
    from dinoflow_deploy.flow.accuracy import Accuracy, AccuracySums, accuracy_sums
    from dinoflow_deploy.flow.clip.reader import FlowClip
    from dinoflow_deploy.flow.clip.writer import FlowClipWriter
    from dinoflow_deploy.flow.colors import flow_to_rgb
    from dinoflow_deploy.flow.files import read_flow, write_flow
    from dinoflow_deploy.flow.metrics import (
        FlowErrorSums,
        FlowMetrics,
        end_point_error,
        evaluate_flow,
        flow_error_sums,
    )
    from dinoflow_deploy.flow.occlusion import consistency
    from dinoflow_deploy.flow.padding import Padding
    from dinoflow_deploy.flow.warping import warp

__all__ = [
    "Accuracy",
    "AccuracySums",
    "FlowClip",
    "FlowClipWriter",
    "FlowErrorSums",
    "FlowMetrics",
    "Padding",
    "accuracy_sums",
    "consistency",
    "end_point_error",
    "evaluate_flow",
    "flow_error_sums",
    "flow_to_rgb",
    "read_flow",
    "warp",
    "write_flow",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Accuracy": "flow.accuracy",
        "AccuracySums": "flow.accuracy",
        "FlowClip": "flow.clip.reader",
        "FlowClipWriter": "flow.clip.writer",
        "FlowErrorSums": "flow.metrics",
        "FlowMetrics": "flow.metrics",
        "Padding": "flow.padding",
        "accuracy_sums": "flow.accuracy",
        "consistency": "flow.occlusion",
        "end_point_error": "flow.metrics",
        "evaluate_flow": "flow.metrics",
        "flow_error_sums": "flow.metrics",
        "flow_to_rgb": "flow.colors",
        "read_flow": "flow.files",
        "warp": "flow.warping",
        "write_flow": "flow.files",
    },
)
