"""Clips whose flow in both directions and occlusion are known, and an engine that finds exactly that."""

from collections.abc import Generator, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from dinoflow_deploy.engines import EngineDescription, FlowEngine, InputRange
from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.video.frame_source import Frame, FrameSource, Selection


def square_moves(size: tuple[int, int], side: int, shift: int, frames: int) -> tuple[np.ndarray, ...]:
    """A square that moves to the right over still ground.

    Returns frames, and for each pair flow forward and backward, and what is occluded forward and backward.
    """
    width, height = size
    images = np.full((frames, height, width, 3), 50, np.uint8)
    flows = np.zeros((2, frames - 1, height, width, 2), np.float32)
    occluded = np.zeros((2, frames - 1, height, width), bool)
    rows = slice(8, 8 + side)
    places = [slice(8 + shift * number, 8 + shift * number + side) for number in range(frames)]
    for number, place in enumerate(places):
        images[number, rows, place] = 200
    for number, (before, after) in enumerate(pairwise(places)):
        for direction, (here, there) in enumerate(((before, after), (after, before))):
            flows[direction, number, rows, here, 0] = shift * (1 - 2 * direction)
            occluded[direction, number, rows, there] = True
            occluded[direction, number, rows, here] = False
    return images, *flows, *occluded


class ExactEngine(FlowEngine):
    """Knows the flow of the pairs of a clip, in both directions, by what its frames show."""

    def __init__(self, images: Sequence[Image], forward: Sequence, backward: Sequence) -> None:
        super().__init__(
            EngineDescription("exact", "test", "cpu", "none", "fp32", None, InputRange.unlimited())
        )
        names = [image.tobytes() for image in images]
        self._flows = {}
        for (name, following), there, back in zip(pairwise(names), forward, backward, strict=True):
            self._flows[name, following], self._flows[following, name] = there, back

    def _run(self, images1: np.ndarray, images2: np.ndarray) -> np.ndarray:
        levels = [
            np.rint(255 * images.transpose(0, 2, 3, 1)).astype(np.uint8) for images in (images1, images2)
        ]
        names = zip(*([image.tobytes() for image in images] for images in levels), strict=True)
        return np.stack([self._flows[pair] for pair in names]).transpose(0, 3, 1, 2)


class ListSource(FrameSource):
    """Frames from memory."""

    def __init__(self, images: Sequence[Image]) -> None:
        super().__init__("list", rate=Fraction(25), time_base=Fraction(1, 25))
        self.count = len(images)
        self._images = images

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        for number in selection.of(range(len(self._images))):
            yield Frame(number, self._images[number], number - selection.start)
