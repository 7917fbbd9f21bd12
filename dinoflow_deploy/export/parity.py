"""How far an exported model's flow is from PyTorch's, in pixels."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.engines.base import FlowEngine
from dinoflow_deploy.engines.bundle import Parity
from dinoflow_deploy.engines.input_range import AxisRange, InputRange
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.progress import Progress


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The largest end-point difference that an export may have.

    Attributes:
        mean_px: Limit of the mean over all pixels: no end-point error that is measured through the export
            can be further than this from PyTorch's.
        max_px: Limit of every pixel.
    """

    mean_px: float
    max_px: float


# Largest found on ONNX Runtime's CPU provider over shapes from 64x64 to 448x1024, mean and maximum:
#   fp32: 2e-7 and 2e-4, the order in which sums are taken;
#   fp16: 0.007 and 0.056 with trained nano weights; with random ones 0.024 and 0.19 (nano, flow of 6 px),
#   0.15 and 0.76 (vits16, flow of 32 px);
#   bf16, which has three bits fewer: 0.06 and 0.32 with trained nano weights; with random ones 0.24 and 2.0
#   (nano), 0.47 and 3.1 (vits16).
TOLERANCES: Final = {"fp32": Tolerance(1e-4, 1e-3), "fp16": Tolerance(0.1, 1.0), "bf16": Tolerance(0.5, 5.0)}

# Batch, height, width: none is the traced shape, and each has another aspect ratio. Small, since verifying
# vits16 at 512x512 would take a laptop half a minute per pair and engine.
SHAPES: Final = ((1, 128, 192), (2, 176, 96), (3, 64, 64))
_SEED: Final = 20_240
# Most scenes move by a few pixels: of so many for each pair that is needed the one with the most motion.
_SCENES_PER_PAIR: Final = 16


@dataclass(frozen=True, slots=True)
class ParityRow:
    """End-point difference at one input shape, in px.

    Attributes:
        batch: Pairs in one call.
        height: Height of the frames.
        width: Their width.
        flow_px: Mean length of the reference's flow.
        mean_px: Mean difference.
        p99_px: 99th percentile.
        max_px: Largest difference; not a number if the export's flow holds one that is not.
    """

    batch: int
    height: int
    width: int
    flow_px: float
    mean_px: float
    p99_px: float
    max_px: float


def verify(
    engine: FlowEngine,
    reference: FlowEngine,
    precision: str,
    progress: Progress,
    shapes: Sequence[tuple[int, int, int]] = SHAPES,
) -> tuple[Parity, list[ParityRow]]:
    """Compare two engines on synthetic scenes.

    Args:
        engine: Runs the export.
        reference: Runs the model it was made from, in float32.
        precision: Of the export; its tolerance is ``TOLERANCES[precision]``.
        progress: Told of each shape.
        shapes: Batch, height and width to compare at, each brought into the engine's range.

    Returns:
        The figures over all pixels of all shapes, and one row per shape.

    Raises:
        ExportError: The mean or largest difference is above the tolerance.
        EngineError: An engine failed, or its flow is not finite.
    """
    fitting = _within(engine.describe().inputs, shapes)
    progress.start(f"comparing with {reference.describe().backend}", len(fitting), "shapes")
    rows, differences = [], []
    for shape in fitting:
        frames1, frames2 = scene_frames(*shape)
        expected = reference.batch(frames1, frames2)
        difference = np.linalg.norm(engine.batch(frames1, frames2).astype(np.float64) - expected, axis=-1)
        row = _row(shape, expected, difference)
        rows.append(row)
        differences.append(difference.ravel())
        progress.advance(max_px=row.max_px)
    progress.finish()
    parity = _parity(engine, reference, precision, np.concatenate(differences), rows)
    _check(parity, TOLERANCES[precision])
    return parity, rows


def _within(inputs: InputRange, shapes: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The nearest shapes that an engine takes, each once."""
    nearest = (
        (_nearest(batch, inputs.batch), _nearest(height, inputs.height), _nearest(width, inputs.width))
        for batch, height, width in shapes
    )
    return list(dict.fromkeys(nearest))


def _nearest(length: int, axis: AxisRange) -> int:
    return min(max(length, axis.min), axis.max or length)


def scene_frames(batch: int, height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Frame pairs of synthetic scenes, each ``uint8 [batch, height, width, 3]``; the same at every call.

    They are those of many with the most motion: where nothing moves, any flow that is small is right.
    """
    # Motion within the reach of the cost volume, 64 px at radius 4, and within the frame.
    config = SceneConfig(height=height, width=width, max_motion=min(32.0, height / 4, width / 4))
    scenes = SyntheticScenes(config, seed=_SEED, length=batch * _SCENES_PER_PAIR)
    samples = heapq.nlargest(batch, scenes, key=lambda sample: np.linalg.norm(sample.flow, axis=-1).mean())
    return np.stack([sample.frame1 for sample in samples]), np.stack([sample.frame2 for sample in samples])


def _row(
    shape: tuple[int, int, int], expected: NDArray[np.float32], difference: NDArray[np.float64]
) -> ParityRow:
    length = np.linalg.norm(expected, axis=-1).mean()
    return ParityRow(*shape, float(length), *_statistics(difference))


def _statistics(difference: NDArray[np.float64]) -> Iterator[float]:
    """Mean, 99th percentile and maximum; NaN wherever the difference holds one."""
    yield from (float(difference.mean()), float(np.percentile(difference, 99)), float(difference.max()))


def _parity(
    engine: FlowEngine,
    reference: FlowEngine,
    precision: str,
    differences: NDArray[np.float64],
    rows: list[ParityRow],
) -> Parity:
    run, compared = engine.describe(), reference.describe()
    mean, p99, largest = _statistics(differences)
    return Parity(
        reference=f"{compared.backend} {compared.precision} on {compared.device}",
        engine=f"{run.backend} {run.provider}",
        pairs=sum(row.batch for row in rows),
        tolerance_px=TOLERANCES[precision].max_px,
        mean_px=mean,
        p99_px=p99,
        max_px=largest,
    )


def _check(parity: Parity, tolerance: Tolerance) -> None:
    # Written so that NaN, which compares false with everything, fails too.
    if parity.mean_px <= tolerance.mean_px and parity.max_px <= tolerance.max_px:
        return
    raise ExportError(
        f"the flow of {parity.engine} is not that of {parity.reference}: it differs by "
        f"{parity.mean_px:.2g} px on average (limit {tolerance.mean_px:g}), {parity.max_px:.2g} px at most "
        f"(limit {tolerance.max_px:g}) and below {parity.p99_px:.2g} px for 99% of the pixels. Nothing was "
        "written: export as fp32, or with --no-verify to look into it"
    )
