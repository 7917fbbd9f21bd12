"""Images of a sequence as frames: 16-bit values become 8-bit ones by one scale, so that nothing flickers."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from dinoflow_deploy.errors import FileFormatError, VideoError
from dinoflow_deploy.image_files import StoredImage, decode_image, guessed_white, to_8_bit
from dinoflow_deploy.video.frame_source import Image

_LOOKED_AT: Final = 16


class ImageReader:
    """Reads the images of a sequence as frames.

    Args:
        paths: All of them. Where 16-bit files do not say what is white, it is guessed from the largest value
            in at most 16 of these, spread over the sequence.
        notes: Where what was guessed is said.
    """

    def __init__(self, paths: Sequence[Path], notes: list[str]) -> None:
        self._paths = paths
        self._notes = notes
        self._clips = False

    def read(self, path: Path) -> Image:
        """Read an image as RGB, turned upright as its EXIF data says.

        Raises:
            VideoError: The file is missing, damaged, not an image, or of a type without a known white.
        """
        stored = _decode(path)
        white = stored.white or self._common_white
        if not (self._clips or stored.white) and (largest := int(stored.values.max())) > white:
            self._clips = True
            self._notes.append(
                f"{path} and maybe others hold more, here up to {largest}: what is above {white} is white too"
            )
        return np.asarray(cv2.cvtColor(to_8_bit(stored.values, white), cv2.COLOR_BGR2RGB), np.uint8)

    @cached_property
    def _common_white(self) -> int:
        """The white of those that do not say."""
        largest, last = 0, len(self._paths) - 1
        for place in sorted({round(last * step / (_LOOKED_AT - 1)) for step in range(_LOOKED_AT)}):
            stored = _decode(self._paths[place])
            if stored.white is None:
                largest = max(largest, int(stored.values.max()))
        white = guessed_white(largest)
        if white < 65535:
            self._notes.append(
                f"the 16-bit images hold values up to {largest}: read as {white.bit_length()}-bit, {white} "
                "being white"
            )
        return white


def _decode(path: Path) -> StoredImage:
    try:
        return decode_image(path, cv2.IMREAD_COLOR)
    except FileFormatError as error:
        raise VideoError(str(error)) from error
