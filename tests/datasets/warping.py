"""Oracles shared by the tests: warping by a flow, and a configuration without photometric effects."""

import dataclasses
from typing import Any

import cv2
import numpy as np

from dinoflow_deploy.datasets import FlowSample, SceneConfig

NO_EFFECTS: dict[str, Any] = {
    "blur_probability": 0.0,
    "brightness_probability": 0.0,
    "noise_probability": 0.0,
}


def warp_errors(frame1: np.ndarray, frame2: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Grey levels by which frame 2, sampled where the flow points, differs from frame 1."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    warped = cv2.remap(frame2, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    return np.abs(warped.astype(np.float32) - frame1).mean(axis=-1)


def assert_same(first: FlowSample, second: FlowSample) -> None:
    for field in dataclasses.fields(FlowSample):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name), field.name)


def plain_config(height: int, width: int, max_motion: float, **options: Any) -> SceneConfig:
    return SceneConfig(height, width, max_motion, **NO_EFFECTS, **options)
