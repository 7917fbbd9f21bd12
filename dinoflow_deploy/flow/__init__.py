"""Optical flow as data: files, colours, metrics, padding, warping, occlusion. NumPy, no torch."""

from dinoflow_deploy.flow.accuracy import Accuracy, AccuracySums, accuracy_sums
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
