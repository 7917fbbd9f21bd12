"""Clips in one image file that FFmpeg does not read: animated WebP, and TIFF of several pages."""

import struct
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.images.image_files import StoredImage, decode_bytes
from dinoflow_deploy.video.frame_source import Frame, FrameSource, Selection, rate_of_its_own
from dinoflow_deploy.video.image_reader import ImageReader
from dinoflow_deploy.video.images import DEFAULT_RATE, shrunk
from dinoflow_deploy.video.several_pictures import Animation, Pages
from dinoflow_deploy.video.timestamps import Timestamps

_MILLISECOND = Fraction(1, 1000)
_BYTES_AT_ONCE = 128 * 2**20


class WebpSource(FrameSource):
    """An animated WebP file, with its own times, decoded by OpenCV.

    OpenCV begins at the first frame whenever it is asked for later ones, so they are taken in portions of
    128 MiB.

    Args:
        path: The file.
        animation: What its headers say.
        name: What the user called it.
        rate: Frames per second of a file that says 0 for all of its frames.
        max_side: Shrink frames to at most this many pixels on the longer side.

    Raises:
        VideoError: The file is cut off.
        InputError: ``rate`` is given for a file that holds times.
    """

    def __init__(
        self, path: Path, animation: Animation, *, name: str, rate: Fraction | None, max_side: int | None
    ) -> None:
        if not animation.whole:
            raise VideoError(f"{name} is cut off: it ends after {path.stat().st_size} bytes")
        seconds = sum(animation.durations) * _MILLISECOND
        if rate is not None and seconds:
            raise rate_of_its_own(name, len(animation.durations) / seconds)
        nominal = len(animation.durations) / seconds if seconds else rate or DEFAULT_RATE
        super().__init__(name, rate=nominal, time_base=_MILLISECOND)
        self.files = [path]
        self.count = len(animation.durations)
        self._animation = animation
        self._max_side = max_side
        if not seconds and rate is None:
            self.notes.append(
                f"{name} holds no times: {float(nominal):g} fps is assumed; fps sets another rate"
            )

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Give the selected frames.

        Raises:
            VideoError: The file is damaged.
        """
        timestamps = Timestamps(1 / self.rate, self.time_base)
        stamped = ((picture, timestamps.next(time)) for picture, time in self._pictures())
        first: int | None = None
        for index, (picture, time) in selection.of(enumerate(self.until_stopped(stamped))):
            first = time if first is None else first
            rgb = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGRA2RGB), np.uint8)
            yield Frame(index, shrunk(rgb, self._max_side), time - first)

    def _pictures(self) -> Iterator[tuple[cv2.typing.MatLike, int]]:
        """Each with its time, which is always 0 where the file has none."""
        animation = self._animation
        at_once = max(1, _BYTES_AT_ONCE // (4 * animation.width * animation.height))
        time = 0
        for start in range(0, len(animation.durations), at_once):
            durations = animation.durations[start : start + at_once]
            whole, decoded = cv2.imreadanimation(str(self.files[0]), start, len(durations))
            if not whole or len(decoded.frames) != len(durations):
                raise VideoError(f"{self.name} is damaged: OpenCV cannot decode its frames from {start} on")
            for picture, duration in zip(decoded.frames, durations, strict=True):
                yield picture, time
                time += duration


class TiffSource(FrameSource):
    """The pages of a TIFF file as frames of one size.

    Args:
        path: The file.
        pages: What its headers say.
        name: What the user called it.
        rate: Frames per second.
        max_side: Shrink frames to at most this many pixels on the longer side.
    """

    def __init__(
        self,
        path: Path,
        pages: Pages,
        *,
        name: str,
        rate: Fraction = DEFAULT_RATE,
        max_side: int | None = None,
    ) -> None:
        super().__init__(name, rate=rate, time_base=1 / rate)
        self._pages = pages
        self._max_side = max_side
        self.files = [path]
        self.count = len(pages.headers)

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Give the selected pages.

        Raises:
            VideoError: A page cannot be read, or its size differs from the first one's.
        """
        pages = list(selection.of(enumerate(self._pages.headers)))
        reader = ImageReader(
            [f"page {index} of {self.name}" for index, _ in pages],
            lambda place: self._decode(*pages[place]),
            self.notes,
        )
        size: tuple[int, ...] | None = None
        for place, (index, _) in enumerate(self.until_stopped(pages)):
            image = reader.read(place)
            size = size or image.shape
            if image.shape != size:
                raise VideoError(
                    f"page {index} of {self.name} is {image.shape[1]}x{image.shape[0]}, others are "
                    f"{size[1]}x{size[0]}: the pages of a clip must have one size"
                )
            yield Frame(index, shrunk(image, self._max_side), place * selection.stride)
        if not self._pages.whole:
            self.damage = f"it is cut off: the headers of {self.count} pages are left"

    def _decode(self, index: int, header: int) -> StoredImage:
        # OpenCV goes through all earlier headers to reach a page: in memory, and there only, this one is made
        # the first.
        data = np.memmap(self.files[0], np.uint8, mode="c").data
        place, number = self._pages.start
        struct.pack_into(number, data, place, header)
        return decode_bytes(data, f"page {index} of {self.name}", cv2.IMREAD_COLOR)
