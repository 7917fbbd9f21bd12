"""How far an exported model's flow is from PyTorch's, in pixels."""

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.bundles.parity import Parity
from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.engines.base import FlowEngine
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.cpu_engine import EMULATED, cpu_engine
from dinoflow_deploy.export.draft import Draft, Expected
from dinoflow_deploy.export.report import ParityRow
from dinoflow_deploy.progress import Progress


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The largest end-point difference that an export may have; each limit holds by itself.

    Attributes:
        relative: Limit of the mean difference over the mean length of the flow, over all shapes and at each
            that shows enough flow. A graph that computes nothing has 1, one that gives half of the flow 0.5.
        mean_px: Limit of the mean over all pixels: no end-point error that is measured through the export
            can be further than this from PyTorch's, however long the flow is.
        max_px: Limit of every pixel.
    """

    relative: float
    mean_px: float
    max_px: float


# Largest found on ONNX Runtime's CPU provider at any of five shapes from 64x64 to 256x256: mean over the
# flow's length, mean in px, maximum in px.
#         trained nano (flow 3 to 27 px)   random nano (5 to 15 px)    random vits16 (12 to 90 px)
#   fp32  1.2e-6, 8e-6,   3e-5             3.0e-6, 3e-5,   2.4e-4      2.8e-6, 9e-5,   5.4e-4   order of sums
#   fp16  0.0013, 0.007,  0.023            0.0044, 0.044,  0.36        0.0062, 0.25,   0.98
#   bf16  0.024,  0.098,  0.34             0.036,  0.37,   2.5         0.026,  0.81,   4.5
# The limits are about three times the largest share and twice the largest px: those in px catch single
# pixels, and what a longer flow than these would hide.
TOLERANCES: Final = {
    "fp32": Tolerance(1e-4, 2e-4, 1e-3),
    "fp16": Tolerance(0.02, 0.5, 2.0),
    "bf16": Tolerance(0.1, 2.0, 8.0),
}

# OpenVINO's float32 is as near as ONNX Runtime's in small models, and half as near in vits16. Largest found
# at 128x192 and over all shapes below: mean over the flow's length, mean in px, maximum in px.
#         trained nano, small (22 to 29 px)  random vits16 (29 to 50 px)
#   fp32  1.1e-6, 9e-6,   8e-5               5.7e-6, 1.5e-4, 1.1e-3
#   fp16  0.0012, 0.013,  0.08               0.0026, 0.061,  0.31
# An fp16 file is computed in float32, so that its limits are the others'.
OPENVINO_TOLERANCES: Final = TOLERANCES | {"fp32": Tolerance(1e-4, 4e-4, 2.5e-3)}

# Px of mean flow below which agreement says little. A trained model's flow in bf16 differs by 0.1 px whether
# it is long or short; with less flow than this its relative limit would refuse that.
LITTLE_FLOW_PX: Final = 1.0

# Batch, height, width: none is the traced shape, and each has another aspect ratio. Small, since verifying
# vits16 at 512x512 would take a laptop half a minute per pair and engine.
SHAPES: Final = ((1, 128, 192), (2, 176, 96), (3, 64, 64))
_SEED: Final = 20_240
# Most scenes move by a few pixels: of so many for each pair that is needed the one with the most motion.
_SCENES_PER_PAIR: Final = 16


def tolerance_of(backend: str, precision: str) -> Tolerance:
    """What an export may differ by.

    Args:
        backend: What runs it.
        precision: Of the export.
    """
    return (OPENVINO_TOLERANCES if backend == "openvino" else TOLERANCES)[precision]


def verify_artefact(engine: FlowEngine, draft: Draft, progress: Progress) -> tuple[Parity, list[ParityRow]]:
    """Compare an artefact of a draft with the draft's reference, within the tolerance of its precision.

    Args:
        engine: Runs the artefact.
        draft: The bundle that it is part of.
        progress: Told of each shape.

    Raises:
        ExportError: The flow differs by more than the tolerance.
        EngineError: The artefact does not run.
    """
    if draft.reference is not None:
        with draft.reference() as compared:
            return verify(engine, compared, draft.precision, progress, known=draft.expected)
    with cpu_engine(draft.bundle) as compared:
        parity, rows = verify(engine, compared, draft.precision, progress, known=draft.expected)
    if draft.precision == "bf16":
        parity = replace(parity, reference=f"onnxruntime bf16 on cpu{EMULATED}")
    return parity, rows


def verify(
    engine: FlowEngine,
    reference: FlowEngine,
    precision: str,
    progress: Progress,
    shapes: Sequence[tuple[int, int, int]] = SHAPES,
    *,
    known: dict[tuple[int, int, int], Expected] | None = None,
) -> tuple[Parity, list[ParityRow]]:
    """Compare two engines on synthetic scenes that move.

    Args:
        engine: Runs the export.
        reference: Runs the model it was made from, in float32.
        precision: Of the export, which sets the tolerance.
        progress: Told of each shape, and of flow that is too short to show a difference.
        shapes: Batch, height and width to compare at, each brought into the engine's range.
        known: What the reference computed before, by shape; filled.

    Returns:
        The figures over all pixels of all shapes, and one row per shape.

    Raises:
        ExportError: The difference is above the tolerance.
        EngineError: An engine failed, or its flow is not finite.
    """
    fitting = _within(engine.describe().inputs, shapes)
    known = {} if known is None else known
    title = f"comparing {engine.describe().backend} with {reference.describe().backend}"
    progress.start(title, len(fitting), "shapes")
    rows, differences = [], []
    for shape in fitting:
        if shape not in known:
            known[shape] = _expected(reference, shape)
        expected = known[shape]
        found = engine.batch(expected.frames1, expected.frames2)
        difference = np.linalg.norm(found - expected.flow, axis=-1)
        flow = float(np.linalg.norm(expected.flow, axis=-1).mean())
        rows.append(ParityRow(*shape, flow, *_statistics(difference)))
        differences.append(difference.ravel())
        # Over all shapes until now, with the digits of the table that shows it at the end.
        progress.advance(max=float(f"{max(row.max_px for row in rows):.2g}"))
    progress.finish()
    tolerance = tolerance_of(engine.describe().backend, precision)
    parity = _parity(engine, reference, tolerance, rows, np.concatenate(differences))
    _check(parity, tolerance)
    if parity.flow_px is not None and parity.flow_px < LITTLE_FLOW_PX:
        progress.note(
            f"note: the model's flow is {parity.flow_px:.2g} px long on average where the scenes move by "
            "many: that the exports agree on it says little"
        )
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


def _expected(reference: FlowEngine, shape: tuple[int, int, int]) -> Expected:
    frames1, frames2 = scene_frames(*shape)
    return Expected(frames1, frames2, reference.batch(frames1, frames2).astype(np.float64))


def scene_frames(batch: int, height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Frame pairs of synthetic scenes, each ``uint8 [batch, height, width, 3]``; the same at every call.

    They are those of many with the most motion: where nothing moves, any flow that is small is right.
    """
    # Motion within the reach of the cost volume, 64 px at radius 4, and within the frame.
    config = SceneConfig(height=height, width=width, max_motion=min(32.0, height / 4, width / 4))
    scenes = SyntheticScenes(config, seed=_SEED, length=batch * _SCENES_PER_PAIR)
    samples = heapq.nlargest(batch, scenes, key=lambda sample: np.linalg.norm(sample.flow, axis=-1).mean())
    return np.stack([sample.frame1 for sample in samples]), np.stack([sample.frame2 for sample in samples])


def _statistics(difference: NDArray[np.float64]) -> Iterator[float]:
    """Mean, 99th percentile and maximum; NaN wherever the difference holds one."""
    yield from (float(difference.mean()), float(np.percentile(difference, 99)), float(difference.max()))


def _parity(
    engine: FlowEngine,
    reference: FlowEngine,
    tolerance: Tolerance,
    rows: Sequence[ParityRow],
    differences: NDArray[np.float64],
) -> Parity:
    run, compared = engine.describe(), reference.describe()
    mean, p99, largest = _statistics(differences)
    pixels = [row.batch * row.height * row.width for row in rows]
    flow = float(np.average([row.flow_px for row in rows], weights=pixels))
    return Parity(
        reference=f"{compared.backend} {compared.precision} on {compared.device}",
        engine=f"{run.backend} {run.provider}",
        pairs=sum(row.batch for row in rows),
        tolerance_px=tolerance.max_px,
        mean_px=mean,
        p99_px=p99,
        max_px=largest,
        flow_px=flow,
        relative=_largest_share(mean, flow, rows),
        relative_tolerance=tolerance.relative,
    )


def _largest_share(mean_px: float, flow_px: float, rows: Sequence[ParityRow]) -> float:
    """Difference over flow of all pixels, or of the shape where it is largest: one may be wrong alone."""
    # Against a model that finds no motion at all nothing can be said.
    whole = mean_px / flow_px if flow_px else math.inf
    return max([whole, *(row.mean_px / row.flow_px for row in rows if row.flow_px >= LITTLE_FLOW_PX)])


def _check(parity: Parity, tolerance: Tolerance) -> None:
    measured = {"relative": parity.relative, "mean_px": parity.mean_px, "max_px": parity.max_px}
    # Written so that NaN, which compares false with everything, fails too.
    if all(value is not None and value <= getattr(tolerance, name) for name, value in measured.items()):
        return
    raise ExportError(
        f"the flow of {parity.engine} is not that of {parity.reference}: it differs by "
        f"{parity.mean_px:.2g} px on average (limit {tolerance.mean_px:g}), by {parity.relative:.2g} of the "
        f"flow's length, {parity.flow_px:.2g} px (limit {tolerance.relative:g}), and by "
        f"{parity.max_px:.2g} px at most (limit {tolerance.max_px:g}). Nothing was written: "
        "export as fp32, or with --no-verify to look into it"
    )
