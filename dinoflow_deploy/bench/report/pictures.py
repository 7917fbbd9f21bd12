"""Pictures of a pair as data that an HTML page holds itself."""

import base64
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.bench.benchmark import Shown
from dinoflow_deploy.bench.results import Example
from dinoflow_deploy.datasets import FlowSample
from dinoflow_deploy.flow import flow_to_rgb

WIDTH = 480
"""Most pixels that a picture is wide."""

_UNKNOWN = 128


@dataclass(frozen=True, slots=True)
class PairPictures:
    """Pictures of one pair, as ``data:`` addresses.

    Attributes:
        example: Which pair.
        frame: Its first frame.
        truth: Its true flow, black where not known.
        max_flow: Length in px at which colours are full, of the truth and every prediction.
        predictions: Predicted flow by engine.
        errors: End-point error by engine, grey where truth is not known.
        max_error: End-point error in px at the end of its colours.
        epe: Mean end-point error by engine.
    """

    example: Example
    frame: str
    truth: str
    max_flow: float
    predictions: dict[str, str]
    errors: dict[str, str]
    max_error: float
    epe: dict[str, float]


def draw_pair(shown: Shown) -> PairPictures:
    """Pictures of a pair; all engines share their colour scales."""
    sample = shown.sample
    known = sample.valid
    longest = float(np.linalg.norm(sample.flow[known], axis=-1).max(initial=1.0))
    errors = {label: _errors(sample, flow) for label, flow in shown.flows.items()}
    most = max(float(np.percentile(each[known], 99)) for each in errors.values())
    most = max(most, 0.1)
    return PairPictures(
        example=shown.example,
        frame=_address(sample.frame1, ".jpg"),
        truth=_address(flow_to_rgb(sample.flow, longest, known), ".png", sparse=not known.all()),
        max_flow=longest,
        predictions={
            label: _address(flow_to_rgb(flow, longest), ".png") for label, flow in shown.flows.items()
        },
        errors={
            label: _address(_error_map(each, known, most), ".png", sparse=not known.all())
            for label, each in errors.items()
        },
        max_error=most,
        epe={label: float(each[known].mean()) for label, each in errors.items()},
    )


def error_colors() -> list[str]:
    """The colours of the error map from 0 to its end, as CSS has them."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)[:, None]
    colors = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    return ["#" + bytes(color).hex() for color in colors]


def _errors(sample: FlowSample, flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """End-point error in px of each pixel; with finer truth, the least of its vectors' errors."""
    truth = (
        sample.flow[None] if sample.subpixel_flow is None else sample.subpixel_flow.reshape(4, *flow.shape)
    )
    distances = np.linalg.norm(flow - truth, axis=-1)
    distances[np.isnan(distances)] = np.inf
    return np.asarray(distances.min(axis=0), np.float32)


def _error_map(errors: NDArray[np.float32], known: NDArray[np.bool_], most: float) -> NDArray[np.uint8]:
    levels = np.where(known, np.clip(errors / most, 0, 1) * 255, 0).astype(np.uint8)
    image = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1].copy()
    image[~known] = _UNKNOWN
    return np.asarray(image, np.uint8)


def _address(image: NDArray[np.uint8], suffix: str, *, sparse: bool = False) -> str:
    height, width = image.shape[:2]
    if width > WIDTH:
        size = (WIDTH, max(1, round(height * WIDTH / width)))
        # Sparse truth, averaged, would fade into what is between its pixels.
        how = cv2.INTER_NEAREST if sparse else cv2.INTER_AREA
        image = np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
    done, data = cv2.imencode(suffix, image[..., ::-1])
    assert done, f"OpenCV writes {suffix}"
    kind = {".jpg": "jpeg", ".png": "png"}[suffix]
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"
