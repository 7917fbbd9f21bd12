"""Images as frames: a folder, a glob pattern, or a list of files."""

from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from dinoflow_deploy.errors import InputError, VideoError
from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.images.image_files import IMAGE_SUFFIXES, decode_image
from dinoflow_deploy.video.frame_source import Frame, FrameSource, Selection, fitted_size
from dinoflow_deploy.video.image_reader import ImageReader
from dinoflow_deploy.video.natural_sort import natural_sort

DEFAULT_RATE = Fraction(25)
"""Frames per second of images, which have no rate of their own."""
SLOWEST_RATE, FASTEST_RATE = 0.01, 1000.0
"""What players still play."""


class ImageSource(FrameSource):
    """Images of one size, in the order given.

    Args:
        paths: The files.
        name: What the user called them.
        rate: Frames per second.
        max_side: Shrink frames to at most this many pixels on the longer side.
    """

    def __init__(
        self, paths: Sequence[Path], *, name: str, rate: Fraction = DEFAULT_RATE, max_side: int | None = None
    ) -> None:
        super().__init__(name, rate=rate, time_base=1 / rate)
        self.files = paths
        self._max_side = max_side
        self.count = len(paths)

    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Give the selected images.

        Raises:
            VideoError: An image cannot be read, or its size differs from the first one's.
        """
        selected = list(selection.of(enumerate(self.files)))
        paths = [path for _, path in selected]
        reader = ImageReader(
            [str(path) for path in paths],
            lambda place: decode_image(paths[place], cv2.IMREAD_COLOR),
            self.notes,
        )
        first: tuple[Path, tuple[int, int]] | None = None
        for place, (index, path) in enumerate(selected):
            image = reader.read(place)
            size = (image.shape[1], image.shape[0])
            first = first or (path, size)
            if size != first[1]:
                raise VideoError(
                    f"{path} is {size[0]}x{size[1]} but {first[0]} is {first[1][0]}x{first[1][1]}: "
                    "the images of a sequence must have one size"
                )
            yield Frame(index, shrunk(image, self._max_side), place * selection.stride)


def image_rate(fps: float) -> Fraction:
    """A frame rate for images as a fraction of small numbers.

    Args:
        fps: Frames per second, 0.01 to 1000.

    Raises:
        InputError: It is outside that.
    """
    if not SLOWEST_RATE <= fps <= FASTEST_RATE:
        raise InputError(f"fps is {fps:g}: it must be from {SLOWEST_RATE:g} to {FASTEST_RATE:g}")
    return Fraction(fps).limit_denominator(1001)


def images_in(folder: Path) -> list[Path]:
    """The images in a folder, ``frame2`` before ``frame10``; other and hidden files are left out.

    Raises:
        VideoError: The folder cannot be listed, or holds no image.
    """
    try:
        files = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise VideoError(f"{folder} cannot be listed: {error.strerror}") from error
    images = [path for path in files if is_image(path)]
    if not images:
        raise VideoError(f"{folder} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return natural_sort(images)


def is_image(path: Path) -> bool:
    """Whether the suffix is one of an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def shrunk(image: Image, max_side: int | None) -> Image:
    """The image with at most ``max_side`` pixels on its longer side; itself where there is nothing to do."""
    size = fitted_size(image.shape[1], image.shape[0], max_side)
    if size == (image.shape[1], image.shape[0]):
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
