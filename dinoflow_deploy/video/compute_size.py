"""Flow of pairs, computed on smaller frames where wanted and given back at the size of the frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from dinoflow_deploy.engines.base import FlowEngine, PreparedFrame
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import consistency
from dinoflow_deploy.flow.arrays import Flow, Image, Mask
from dinoflow_deploy.progress import NoProgress, Progress
from dinoflow_deploy.video.expected_memory import check_memory
from dinoflow_deploy.video.images import shrunk


@dataclass(frozen=True, slots=True)
class PairResult:
    """What was computed of a pair.

    Attributes:
        flow: First frame to second, ``float32 [H, W, 2]`` in pixels.
        backward: Second frame to first, likewise; ``None`` where it was not asked for.
        occluded: bool ``[H, W]``, true where the first frame is hidden in the second or has left it; ``None``
            where it was not asked for.
        backward_occluded: Where the second frame shows what the first one does not; ``None`` unless both
            backward flow and occlusion were asked for.
    """

    flow: Flow
    backward: Flow | None = None
    occluded: Mask | None = None
    backward_occluded: Mask | None = None


@dataclass(frozen=True, slots=True)
class PreparedPair:
    """A pair as an engine takes it.

    Attributes:
        first: The first frame.
        second: The second one.
        height: Height of both as they came, in px.
        width: Their width.
    """

    first: PreparedFrame
    second: PreparedFrame
    height: int
    width: int


class PairFlow:
    """Computes the flow of pairs at the size of their frames, on smaller ones where that is wanted.

    Args:
        engine: Computes the flow.
        max_side: Most pixels on the longer side of what the engine is given; ``None`` for the frames
            themselves.
        progress: Told once where they take much memory.
        backward: Give backward flow too.
        occlusion: Give occlusion too, by forward-backward consistency. It is judged where flow is computed,
            and only then enlarged: its tolerance of about a pixel is one of those pixels.
        batch: Most pairs that :meth:`compute_chain` is given at once, for the memory that they take.

    Attributes:
        size: Width and height of what the engine was last given.
    """

    def __init__(
        self,
        engine: FlowEngine,
        max_side: int | None,
        progress: Progress | None = None,
        *,
        backward: bool = False,
        occlusion: bool = False,
        batch: int = 1,
    ) -> None:
        self.size = (0, 0)
        self._batch = batch
        self._engine = engine
        self._max_side = max_side
        self._progress = progress or NoProgress()
        self._backward = backward
        self._occlusion = occlusion
        self._last: tuple[Image, PreparedFrame] | None = None

    def __call__(self, first: Image, second: Image) -> PairResult:
        """Flow of a pair.

        Args:
            first: ``uint8 [H, W, 3]``, RGB.
            second: The same size.

        Returns:
            Flow in pixels of these frames, and what else was asked for.

        Raises:
            InputError: The frames do not suit the engine, or the memory of this machine.
            EngineError: The engine failed.
        """
        return self.compute(self.prepare(first, second))

    def prepare(self, first: Image, second: Image) -> PreparedPair:
        """Bring a pair into the form in which the engine takes it, one pair after the other.

        Args:
            first: ``uint8 [H, W, 3]``, RGB.
            second: The same size.

        Raises:
            InputError: The frames do not suit the engine, or the memory of this machine.
        """
        # The second frame of a pair is the first of the next.
        known = self._last is not None and self._last[0] is first
        prepared1 = self._last[1] if self._last and known else self._prepared(first)
        prepared2 = self._prepared(second)
        self._last = (second, prepared2)
        height, width = first.shape[:2]
        return PreparedPair(prepared1, prepared2, height, width)

    def compute(self, pair: PreparedPair) -> PairResult:
        """Flow of a prepared pair; may be called by several threads.

        Raises:
            EngineError: The engine failed.
        """
        height, width = pair.height, pair.width
        if not (self._backward or self._occlusion):
            return PairResult(resized_flow(self._engine(pair.first, pair.second), width, height))
        forward, backward = self._engine.bidirectional(pair.first, pair.second)
        both = self._backward and self._occlusion
        return PairResult(
            resized_flow(forward, width, height),
            resized_flow(backward, width, height) if self._backward else None,
            _resized_mask(consistency(forward, backward), width, height) if self._occlusion else None,
            _resized_mask(consistency(backward, forward), width, height) if both else None,
        )

    def prepare_chain(self, frames: Sequence[Image]) -> list[PreparedPair]:
        """Bring neighbours in a row of frames into the form in which the engine takes them.

        Args:
            frames: ``uint8 [H, W, 3]``, RGB, all of one size.

        Raises:
            InputError: As of :meth:`prepare`.
        """
        return [self.prepare(first, second) for first, second in pairwise(frames)]

    def compute_chain(self, pairs: Sequence[PreparedPair]) -> list[PairResult]:
        """Flow of prepared pairs of one size, all at once; may be called by several threads.

        Raises:
            EngineError: The engine failed.
        """
        if len(pairs) <= 1 or self._backward or self._occlusion:
            return [self.compute(pair) for pair in pairs]
        flows = self._engine.pairs([pair.first for pair in pairs], [pair.second for pair in pairs])
        return [PairResult(resized_flow(flow, pairs[0].width, pairs[0].height)) for flow in flows]

    def _prepared(self, frame: Image) -> PreparedFrame:
        """A frame as the engine takes it, shrunk where that is wanted."""
        small = frame if self._max_side is None else shrunk(frame, self._max_side)
        self._check_size(small.shape[1], small.shape[0])
        return self._engine.prepare_frame(small)

    def _check_size(self, width: int, height: int) -> None:
        if (width, height) != self.size:
            much = check_memory(self._engine.describe(), width, height, self._batch)
            if much:
                self._progress.note(much)
        self.size = (width, height)


def check_batch(engine: FlowEngine, batch: int) -> None:
    """Refuse a number of pairs that the engine does not take at once.

    Raises:
        InputError: It is below 1, or above the engine's largest batch.
    """
    most = engine.describe().inputs.batch.max
    if batch < 1 or (most is not None and batch > most):
        taken = "1 or more" if most is None else f"1 to {most}"
        raise InputError(f"batch is {batch}: {engine.describe().model} takes {taken} pairs at once")


def resized_flow(flow: Flow, width: int, height: int) -> Flow:
    """Flow at another size: interpolated bilinearly, with vectors as much longer as the sides are.

    Args:
        flow: ``float32 [h, w, 2]`` in pixels.
        width: Width to give it.
        height: Height to give it.

    Returns:
        ``float32 [height, width, 2]`` in pixels of the new size; ``flow`` itself where that is its size.
    """
    old_height, old_width = flow.shape[:2]
    if (old_width, old_height) == (width, height):
        return flow
    # OpenCV's resize keeps the borders of the picture in place, as shrinking the frames does.
    resized = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    resized *= np.array([width / old_width, height / old_height], np.float32)
    return np.asarray(resized, np.float32)


def _resized_mask(mask: Mask, width: int, height: int) -> Mask:
    """A mask at another size, true where at least half of what is interpolated is."""
    if mask.shape == (height, width):
        return mask
    levels = cv2.resize(np.uint8(255) * mask, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(levels >= 128, np.bool_)
