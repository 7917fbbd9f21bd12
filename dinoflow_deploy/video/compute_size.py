"""Flow computed on smaller frames and given back at the size of the frames."""

import cv2
import numpy as np

from dinoflow_deploy.engines import FlowEngine
from dinoflow_deploy.progress import NoProgress, Progress
from dinoflow_deploy.video.expected_memory import check_memory
from dinoflow_deploy.video.frame_source import Image
from dinoflow_deploy.video.images import shrunk
from dinoflow_deploy.video.render import Flow


class PairFlow:
    """Computes the flow of pairs at the size of their frames, on smaller ones where that is wanted.

    Args:
        engine: Computes the flow.
        max_side: Most pixels on the longer side of what the engine is given; ``None`` for the frames
            themselves.
        progress: Told once where they take much memory.

    Attributes:
        size: Width and height of what the engine was last given.
    """

    def __init__(self, engine: FlowEngine, max_side: int | None, progress: Progress | None = None) -> None:
        self.size = (0, 0)
        self._engine = engine
        self._max_side = max_side
        self._progress = progress or NoProgress()
        self._last: tuple[Image, Image] | None = None

    def __call__(self, first: Image, second: Image) -> Flow:
        """Flow of a pair.

        Args:
            first: ``uint8 [H, W, 3]``, RGB.
            second: The same size.

        Returns:
            ``float32 [H, W, 2]`` in pixels of these frames.

        Raises:
            InputError: The frames do not suit the engine, or the memory of this machine.
            EngineError: The engine failed.
        """
        if self._max_side is None:
            small1, small2 = first, second
        else:
            # The second frame of a pair is the first of the next.
            known = self._last is not None and self._last[0] is first
            small1 = self._last[1] if self._last and known else shrunk(first, self._max_side)
            small2 = shrunk(second, self._max_side)
            self._last = (second, small2)
        size = (small1.shape[1], small1.shape[0])
        if size != self.size:
            much = check_memory(self._engine.describe(), *size)
            if much:
                self._progress.note(much)
        self.size = size
        return resized_flow(self._engine(small1, small2), first.shape[1], first.shape[0])


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
