"""How far a flow field is from the truth: end-point error, 1/3/5 px, Fl-all."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow.arrays import FloatArray, Flow, Mask, as_flow, known_pixels


@dataclass(frozen=True, slots=True)
class FlowMetrics:
    """Error of flow over one image, or over many with all their pixels pooled.

    Attributes:
        pixels: How many pixels were counted, at least 1.
        epe: Mean end-point error in pixels.
        px1: Fraction of pixels, 0 to 1, with an end-point error **below** 1 px: inliers, as RAFT prints them
            (GMFlow prints the outliers under the same name).
        px3: The same for 3 px.
        px5: The same for 5 px.
        fl_all: Percentage of outliers, 0 to 100: error above 3 px **and** above 5 % of the true motion (KITTI
            2015).
    """

    pixels: int
    epe: float
    px1: float
    px3: float
    px5: float
    fl_all: float


@dataclass(frozen=True, slots=True)
class FlowErrorSums:
    """Sums behind :class:`FlowMetrics`, to be added up over image pairs.

    Adding is exact, so the order of pairs, or how they were shared out among processes, changes no digit:
    ``sum(parts, FlowErrorSums())``. The default is the sum over nothing.

    Attributes:
        pixels: Pixels counted.
        epe: Sum of their end-point errors in pixels.
        below_1px: How many have an end-point error below 1 px.
        below_3px: Below 3 px.
        below_5px: Below 5 px.
        outliers: How many count for Fl-all.
    """

    pixels: int = 0
    epe: Fraction = Fraction(0)
    below_1px: int = 0
    below_3px: int = 0
    below_5px: int = 0
    outliers: int = 0

    def __add__(self, other: "FlowErrorSums") -> "FlowErrorSums":
        return FlowErrorSums(
            self.pixels + other.pixels,
            self.epe + other.epe,
            self.below_1px + other.below_1px,
            self.below_3px + other.below_3px,
            self.below_5px + other.below_5px,
            self.outliers + other.outliers,
        )

    def metrics(self) -> FlowMetrics:
        """Means over the pixels counted so far.

        Raises:
            InputError: No pixel was counted, so that there is nothing to take a mean of.
        """
        if self.pixels == 0:
            raise InputError("no valid pixel to measure flow at: the ground truth is empty")
        return FlowMetrics(
            pixels=self.pixels,
            epe=float(self.epe / self.pixels),
            px1=self.below_1px / self.pixels,
            px3=self.below_3px / self.pixels,
            px5=self.below_5px / self.pixels,
            fl_all=100 * self.outliers / self.pixels,
        )


def evaluate_flow(flow: npt.NDArray[Any], truth: npt.NDArray[Any], valid: Mask | None = None) -> FlowMetrics:
    """Error of one flow field at the pixels where the truth is known.

    Args:
        flow: ``[H, W, 2]`` in pixels, the prediction.
        truth: ``[H, W, 2]`` in pixels, the ground truth.
        valid: bool ``[H, W]``, where the truth is known; by default everywhere. Pixels whose ``truth`` is
            not finite or above 1e9 px never count.

    Raises:
        InputError: Wrong shapes or types, no valid pixel, or a prediction that is not finite at a valid
            pixel.
    """
    return flow_error_sums(flow, truth, valid).metrics()


def flow_error_sums(
    flow: npt.NDArray[Any], truth: npt.NDArray[Any], valid: Mask | None = None
) -> FlowErrorSums:
    """As :func:`evaluate_flow`, in the form that adds up; no valid pixel gives the sum over nothing.

    Raises:
        InputError: Wrong shapes or types, or a prediction that is not finite at a valid pixel.
    """
    return pixel_errors(flow, truth, valid).sums()


@dataclass(frozen=True, slots=True)
class PixelErrors:
    """Error at the pixels of one image where the truth is known, in row order.

    Attributes:
        epe: float32 ``[N]``, end-point error in pixels.
        length: float32 ``[N]``, length of the true motion in pixels.
        outlier: bool ``[N]``, whether the pixel counts for Fl-all.
        counted: bool ``[H, W]``, which pixels of the image these are.
    """

    epe: FloatArray
    length: FloatArray
    outlier: Mask
    counted: Mask

    def sums(self, selection: Mask | None = None) -> FlowErrorSums:
        """Sums over all of them, or over those that a bool ``[N]`` selects."""
        epe, outlier = (
            (self.epe, self.outlier)
            if selection is None
            else (
                self.epe[selection],
                self.outlier[selection],
            )
        )
        return FlowErrorSums(
            pixels=epe.size,
            epe=Fraction(float(epe.sum(dtype=np.float64))),
            below_1px=int(np.count_nonzero(epe < 1)),
            below_3px=int(np.count_nonzero(epe < 3)),
            below_5px=int(np.count_nonzero(epe < 5)),
            outliers=int(np.count_nonzero(outlier)),
        )


def pixel_errors(flow: npt.NDArray[Any], truth: npt.NDArray[Any], valid: Mask | None = None) -> PixelErrors:
    """As :func:`evaluate_flow`, pixel by pixel.

    Raises:
        InputError: Wrong shapes or types, or a prediction that is not finite at a valid pixel.
    """
    flow, truth = _pair(flow, truth)
    counted = known_pixels(truth, valid)
    epe = _distance(flow, truth)[counted]
    check_finite(epe, counted)
    length = np.hypot(truth[..., 0], truth[..., 1])[counted]
    return PixelErrors(epe, length, is_outlier(epe, length), counted)


def is_outlier(epe: FloatArray, length: FloatArray) -> Mask:
    """Which pixels count for Fl-all (KITTI 2015): error above 3 px and above 5 % of the true motion.

    A pixel that does not move is an outlier with an error above 3 px, as where the quotient is taken.

    Args:
        epe: End-point errors in pixels.
        length: Lengths of the true motion in pixels, of the same shape.
    """
    return np.asarray((epe > 3) & (epe > np.float32(0.05) * length))


def end_point_error(flow: npt.NDArray[Any], truth: npt.NDArray[Any]) -> FloatArray:
    """Length of the difference of two flow fields at each pixel (Otte and Nagel, ECCV 1994).

    Args:
        flow: ``[H, W, 2]`` in pixels.
        truth: ``[H, W, 2]`` in pixels.

    Returns:
        float32 ``[H, W]`` in pixels; NaN or infinite where an input is.

    Raises:
        InputError: A wrong shape or type, or fields of different size.
    """
    return _distance(*_pair(flow, truth))


def _pair(flow: npt.NDArray[Any], truth: npt.NDArray[Any]) -> tuple[Flow, Flow]:
    flow, truth = as_flow(flow), as_flow(truth)
    if flow.shape != truth.shape:
        raise InputError(f"flow of shape {flow.shape} and truth of shape {truth.shape} differ in size")
    return flow, truth


def _distance(flow: Flow, truth: Flow) -> FloatArray:
    # Infinite minus infinite is NaN, as it should be.
    with np.errstate(invalid="ignore"):
        u, v = flow[..., 0] - truth[..., 0], flow[..., 1] - truth[..., 1]
    return np.asarray(np.hypot(u, v), np.float32)


def check_finite(epe: FloatArray, counted: Mask) -> None:
    """Refuse a prediction that is not finite where the truth is known.

    Args:
        epe: End-point errors of the counted pixels, ``[N]``.
        counted: bool ``[H, W]``, which pixels they are.

    Raises:
        InputError: One of them is not finite; tells where the first is.
    """
    wrong = ~np.isfinite(epe)
    if wrong.any():
        row, column = np.argwhere(counted)[np.argmax(wrong)]
        raise InputError(
            f"the flow to measure is not finite at {np.count_nonzero(wrong)} of {epe.size} valid pixels, "
            f"first at column {column}, row {row}"
        )
