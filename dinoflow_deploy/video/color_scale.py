"""One colour scale for a whole clip, so that a colour means the same motion in every frame."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

import cv2
import numpy as np
import numpy.typing as npt

from dinoflow_deploy.flow.arrays import Flow, Image, Mask
from dinoflow_deploy.video.frame_source import Frame

LOOK_AHEAD = Fraction(2)
"""Seconds at the start of a clip that fix the scale."""
LOOK_AHEAD_BYTES = 256 * 2**20
"""Most memory of frames and flow held back meanwhile; large frames shorten the look-ahead."""
PERCENTILE = 99.0
"""Share of the pixels, in percent, whose motion the scale covers."""
SMALLEST_SCALE = 1.0
"""Pixels: a smaller scale would show a still scene's noise in full colours."""

_SAMPLING = 4  # every fourth row and column is looked at


@dataclass(frozen=True, slots=True)
class FlowFrame:
    """A frame and its flow to the next frame used.

    Attributes:
        frame: The first frame of the pair.
        flow: ``float32 [H, W, 2]`` in pixels.
        duration: Time to the next frame used, in units of the source's time base.
        occluded: bool ``[H, W]``, true where the frame is hidden in the next or has left it; ``None`` where
            that is not known.
        second: The next frame's image, where it is needed.
        backward: Its flow to the first.
        backward_occluded: Where it shows what the first does not.
    """

    frame: Frame
    flow: Flow
    duration: int
    occluded: Mask | None = None
    second: Image | None = None
    backward: Flow | None = None
    backward_occluded: Mask | None = None

    @property
    def nbytes(self) -> int:
        """Memory that it takes; the second image is the next one's first."""
        arrays = (self.frame.image, self.flow, self.occluded, self.backward, self.backward_occluded)
        return sum(each.nbytes for each in arrays if each is not None)


class ColorScale:
    """Decides the motion in pixels that is drawn fully saturated.

    Given, it is that number. Otherwise it is the 99th percentile of all motion in the first two seconds,
    rounded to two digits, and at least 1 px.

    Args:
        max_flow: The given scale in pixels.
        time_base: Seconds per unit of :attr:`Frame.pts`.

    Attributes:
        max_flow: The scale; ``None`` until it is decided.
        beyond: Share of the pairs, from 0 to 1, whose own 99th percentile is over 1.5 times the scale.
    """

    def __init__(self, max_flow: float | None, time_base: Fraction) -> None:
        self.max_flow = max_flow
        self._time_base = time_base
        self._pairs = self._pairs_beyond = 0

    @property
    def beyond(self) -> float:
        """See the class."""
        return self._pairs_beyond / max(self._pairs, 1)

    def apply(self, pairs: Iterable[FlowFrame]) -> Iterator[tuple[FlowFrame, float]]:
        """Give each pair with the scale, holding the first ones back until it is decided."""
        following = iter(pairs)
        held = deque(self._look_ahead(following))
        if held:
            self.max_flow = _scale_of(held)
        for pair in chain(_drain(held), following):
            assert self.max_flow is not None
            self._pairs += 1
            motion = _motion(pair.flow)
            beyond = np.count_nonzero(motion > 1.5 * self.max_flow)
            self._pairs_beyond += bool(beyond > (1 - PERCENTILE / 100) * motion.size)
            yield pair, self.max_flow

    def _look_ahead(self, pairs: Iterator[FlowFrame]) -> list[FlowFrame]:
        """The pairs that decide; none where the scale is given."""
        held: list[FlowFrame] = []
        while self.max_flow is None and not self._seen_enough(held):
            pair = next(pairs, None)
            if pair is None:
                break
            held.append(pair)
        return held

    def _seen_enough(self, held: list[FlowFrame]) -> bool:
        if not held:
            return False
        size = (len(held) + 1) * held[0].nbytes
        return held[-1].frame.pts * self._time_base >= LOOK_AHEAD or size > LOOK_AHEAD_BYTES


def _drain(held: deque[FlowFrame]) -> Iterator[FlowFrame]:
    """Each in turn, letting go of it: the memory must not stay for the length of the clip."""
    while held:
        yield held.popleft()


def _scale_of(pairs: Iterable[FlowFrame]) -> float:
    motion = np.concatenate([_motion(pair.flow) for pair in pairs])
    return float(f"{max(float(np.percentile(motion, PERCENTILE)), SMALLEST_SCALE):.2g}")


def _motion(flow: Flow) -> npt.NDArray[np.float32]:
    """Lengths at a grid of pixels."""
    u, v = np.moveaxis(flow[::_SAMPLING, ::_SAMPLING], 2, 0).reshape(2, -1)
    return np.asarray(cv2.magnitude(u, v), np.float32)
