"""Accuracy of flow over a data set, by every convention of the benchmarks: sums that add up exactly."""

from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow.arrays import FloatArray, Mask, as_valid
from dinoflow_deploy.flow.metrics import (
    FlowErrorSums,
    FlowMetrics,
    PixelErrors,
    check_finite,
    is_outlier,
    pixel_errors,
)

DISPLACEMENT_EDGES: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 120.0, 160.0, 240.0)
"""Lower ends, in pixels of true motion, of the bins of error by displacement; the last has no upper end."""

_WAUC_STEPS: Final = 100
_WAUC_LIMITS: Final = np.arange(1, _WAUC_STEPS + 1) / 20
_BINS: Final = len(DISPLACEMENT_EDGES)


@dataclass(frozen=True, slots=True)
class DisplacementBin:
    """Error of the pixels whose true motion has a certain length.

    Attributes:
        low: Least length in pixels, counted in.
        high: Where the next bin begins; ``None`` for the last.
        pixels: How many there are.
        epe: Their mean end-point error in pixels; ``None`` without any.
    """

    low: float
    high: float | None
    pixels: int
    epe: float | None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Accuracy over a data set. Pixels of all images are pooled unless said otherwise.

    Attributes:
        images: Images with at least one known pixel.
        empty_images: Images without, which count nowhere.
        everything: All pixels with known truth: "EPE all", "Fl-all".
        occluded: Those hidden or outside in the second frame; ``None`` where the data set does not say.
        visible: The others: "EPE matched", KITTI's "noc".
        s0_10: True motion below 10 px (Sintel's speed bins, with the limits of GMFlow).
        s10_40: From 10 to 40 px, both counted in.
        s40: Above 40 px.
        wauc: Weighted area under the curve of the share of pixels below an error, 0 to 100 (VIPER, Spring).
        image_epe: Mean over images of each image's mean end-point error, in pixels: what RAFT and most papers
            publish for KITTI.
        displacement: Error by length of the true motion.

    A part without any pixel is ``None``.
    """

    images: int
    empty_images: int
    everything: FlowMetrics
    occluded: FlowMetrics | None
    visible: FlowMetrics | None
    s0_10: FlowMetrics | None
    s10_40: FlowMetrics | None
    s40: FlowMetrics | None
    wauc: float
    image_epe: float
    displacement: tuple[DisplacementBin, ...]


@dataclass(frozen=True, slots=True)
class AccuracySums:
    """Sums behind :class:`Accuracy`, to be added up over images: ``sum(parts, AccuracySums())``.

    Adding is exact, so order, batches and processes change no digit. The default is the sum over nothing.

    Attributes:
        images: Images with known pixels.
        empty_images: Images without.
        everything: Sums over all pixels.
        occluded: Over pixels known to be occluded.
        visible: Over pixels known to be visible.
        s0_10: Over true motion below 10 px.
        s10_40: From 10 to 40 px.
        s40: Above 40 px.
        image_epe: Sum of the images' mean end-point errors in pixels.
        wauc: How many pixels have an error of at most i / 20 px, for i from 1 to 100.
        bin_pixels: Pixels in each bin of displacement.
        bin_epe: Sum of their end-point errors in pixels.
    """

    images: int = 0
    empty_images: int = 0
    everything: FlowErrorSums = field(default_factory=FlowErrorSums)
    occluded: FlowErrorSums = field(default_factory=FlowErrorSums)
    visible: FlowErrorSums = field(default_factory=FlowErrorSums)
    s0_10: FlowErrorSums = field(default_factory=FlowErrorSums)
    s10_40: FlowErrorSums = field(default_factory=FlowErrorSums)
    s40: FlowErrorSums = field(default_factory=FlowErrorSums)
    image_epe: Fraction = Fraction(0)
    wauc: tuple[int, ...] = (0,) * _WAUC_STEPS
    bin_pixels: tuple[int, ...] = (0,) * _BINS
    bin_epe: tuple[Fraction, ...] = (Fraction(0),) * _BINS

    def __add__(self, other: "AccuracySums") -> "AccuracySums":
        return AccuracySums(
            *(_added(getattr(self, each.name), getattr(other, each.name)) for each in fields(AccuracySums))
        )

    def accuracy(self) -> Accuracy:
        """Means over what was added up.

        Raises:
            InputError: No pixel has known truth.
        """
        everything = self.everything.metrics()
        shares = np.array(self.wauc) / everything.pixels
        weights = 1 - np.arange(_WAUC_STEPS) / _WAUC_STEPS
        return Accuracy(
            images=self.images,
            empty_images=self.empty_images,
            everything=everything,
            occluded=_metrics(self.occluded),
            visible=_metrics(self.visible),
            s0_10=_metrics(self.s0_10),
            s10_40=_metrics(self.s10_40),
            s40=_metrics(self.s40),
            wauc=float(100 * (weights * shares).sum() / weights.sum()),
            image_epe=float(self.image_epe / self.images),
            displacement=self._displacement(),
        )

    def _displacement(self) -> tuple[DisplacementBin, ...]:
        ends = (*DISPLACEMENT_EDGES[1:], None)
        return tuple(
            DisplacementBin(low, high, pixels, float(epe / pixels) if pixels else None)
            for low, high, pixels, epe in zip(
                DISPLACEMENT_EDGES, ends, self.bin_pixels, self.bin_epe, strict=True
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """The sums as JSON values, without loss."""
        return {each.name: _to_json(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What :meth:`to_dict` gave.

        Raises:
            InputError: It is not that.
        """
        try:
            return cls(
                **{
                    each.name: _from_json(getattr(cls(), each.name), values[each.name])
                    for each in fields(cls)
                }
            )
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise InputError(f"these are no sums of flow errors: {error!r}") from error


def accuracy_sums(
    flow: npt.NDArray[Any],
    truth: npt.NDArray[Any],
    valid: Mask | None = None,
    occluded: Mask | None = None,
    subpixel_flow: npt.NDArray[Any] | None = None,
) -> AccuracySums:
    """Errors of one flow field.

    Args:
        flow: ``[H, W, 2]`` in pixels, the prediction.
        truth: ``[H, W, 2]`` in pixels, the ground truth.
        valid: bool ``[H, W]``, where the truth is known; by default everywhere. Pixels whose ``truth`` is
            not finite or above 1e9 px never count.
        occluded: bool ``[H, W]``, pixels of frame 1 hidden or outside in frame 2; ``None`` where that is not
            known.
        subpixel_flow: ``[2, 2, H, W, 2]``, four true vectors of each pixel, NaN where unknown. Then the error
            is the least of the four, and motion as long as the longest for Fl-all and as long as their mean
            for the speed bins, as Spring has it (Mehl et al., CVPR 2023). A pixel counts where one is known.

    Raises:
        InputError: Wrong shapes or types, or a prediction that is not finite at a valid pixel.
    """
    if subpixel_flow is None:
        errors = pixel_errors(flow, truth, valid)
        speed = errors.length
    else:
        errors, speed = _subpixel_errors(flow, subpixel_flow)
    if errors.epe.size == 0:
        return AccuracySums(empty_images=1)
    hidden = None if occluded is None else as_valid(occluded, np.asarray(truth))[errors.counted]
    everything = errors.sums()
    bins = np.searchsorted(DISPLACEMENT_EDGES, speed, side="right") - 1
    below = np.searchsorted(_WAUC_LIMITS, errors.epe.astype(np.float64), side="left")
    return AccuracySums(
        images=1,
        everything=everything,
        occluded=FlowErrorSums() if hidden is None else errors.sums(hidden),
        visible=FlowErrorSums() if hidden is None else errors.sums(~hidden),
        s0_10=errors.sums(speed < 10),
        s10_40=errors.sums((speed >= 10) & (speed <= 40)),
        s40=errors.sums(speed > 40),
        # Rounded to float64: exact fractions of many pixel counts would grow with the number of images.
        image_epe=Fraction(float(everything.epe / everything.pixels)),
        wauc=tuple(np.cumsum(np.bincount(below, minlength=_WAUC_STEPS)[:_WAUC_STEPS]).tolist()),
        bin_pixels=tuple(np.bincount(bins, minlength=_BINS).tolist()),
        bin_epe=tuple(map(Fraction, np.bincount(bins, errors.epe, minlength=_BINS).tolist())),
    )


def _subpixel_errors(
    flow: npt.NDArray[Any], subpixel_flow: npt.NDArray[Any]
) -> tuple[PixelErrors, FloatArray]:
    """Errors against four true vectors a pixel, and the length of motion for the speed bins."""
    truth = np.asarray(subpixel_flow, np.float32)
    if truth.shape != (2, 2, *np.shape(flow)):
        raise InputError(
            f"sub-pixel flow of shape {truth.shape} does not fit flow of shape {np.shape(flow)}: "
            f"it must be {(2, 2, *np.shape(flow))}"
        )
    vectors = truth.reshape(4, *np.shape(flow))
    difference = np.asarray(flow, np.float32) - vectors
    known = np.isfinite(vectors).all(axis=-1)
    counted: Mask = np.asarray(known.any(axis=0))
    distances = np.hypot(difference[..., 0], difference[..., 1])
    lengths = np.where(known, np.hypot(vectors[..., 0], vectors[..., 1]), 0)
    # NaN only where the truth is unknown may be left out: a prediction that is NaN must not pass.
    epe = np.where(known, distances, np.inf).min(axis=0)[counted].astype(np.float32)
    check_finite(epe, counted)
    longest = lengths.max(axis=0)[counted].astype(np.float32)
    mean = (lengths.sum(axis=0)[counted] / known.sum(axis=0)[counted]).astype(np.float32)
    return PixelErrors(epe, longest, is_outlier(epe, longest), counted), mean


def _metrics(sums: FlowErrorSums) -> FlowMetrics | None:
    return sums.metrics() if sums.pixels else None


def _added(first: Any, second: Any) -> Any:
    if isinstance(first, tuple):
        return tuple(map(_added, first, second))
    return first + second


def _to_json(value: Any) -> Any:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, FlowErrorSums):
        return {each.name: _to_json(getattr(value, each.name)) for each in fields(value)}
    return list(map(_to_json, value)) if isinstance(value, tuple) else value


def _from_json(like: Any, value: Any) -> Any:
    """A value of the type of another."""
    if isinstance(like, Fraction):
        return Fraction(value)
    if isinstance(like, FlowErrorSums):
        return FlowErrorSums(
            **{each.name: _from_json(getattr(like, each.name), value[each.name]) for each in fields(like)}
        )
    if isinstance(like, tuple):
        return tuple(_from_json(part, item) for part, item in zip(like, value, strict=True))
    if type(value) is not int:
        raise ValueError(f"{value!r} is not a whole number")
    return value
