"""A webcam through Video4Linux (PyAV's wheels come without that device, OpenCV's with it)."""

import time
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.video.frame_source import Frame, FrameSource, Selection
from dinoflow_deploy.video.images import shrunk

_TIME_BASE = Fraction(1, 90_000)  # that of MPEG streams
_FALLBACK_RATE = Fraction(30)


class CameraSource(FrameSource):
    """A camera by its number; it ends when the reader stops.

    Args:
        number: 0 for ``/dev/video0``.
        max_side: Shrink frames to at most this many pixels on the longer side.

    Raises:
        VideoError: There is no such camera, or it cannot be opened.
    """

    def __init__(self, number: int, *, max_side: int | None = None) -> None:
        device = Path(f"/dev/video{number}")
        if not device.exists():
            present = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "none"
            raise VideoError(f"there is no camera {number} ({device} is missing; cameras here: {present})")
        self._capture = cv2.VideoCapture(number, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise VideoError(f"camera {number} cannot be opened: is it in use, or not allowed for this user?")
        rate = Fraction(self._capture.get(cv2.CAP_PROP_FPS)).limit_denominator(1001) or _FALLBACK_RATE
        super().__init__(f"camera {number}", rate=rate, time_base=_TIME_BASE, live=True)
        self._max_side = max_side

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Give frames as they arrive, stamped with the time of arrival."""
        first: float | None = None
        try:
            for index, (image, arrival) in selection.of(enumerate(self.until_stopped(self._captured()))):
                first = arrival if first is None else first
                rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
                yield Frame(index, shrunk(rgb, self._max_side), round((arrival - first) / self.time_base))
        finally:
            self.close()

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()

    def _captured(self) -> Iterator[tuple[cv2.typing.MatLike, float]]:
        while True:
            arrived, image = self._capture.read()
            if not arrived:
                self.damage = "the camera stopped sending frames"
                return
            yield image, time.monotonic()
