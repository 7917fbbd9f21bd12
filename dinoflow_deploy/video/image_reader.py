"""Images of a sequence as frames: 16-bit values become 8-bit ones by one scale, so that nothing flickers."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final

import cv2
import numpy as np

from dinoflow_deploy.errors import FileFormatError, VideoError
from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.images.image_files import StoredImage, guessed_white, to_8_bit

_LOOKED_AT: Final = 16


class ImageReader:
    """Reads the images of a sequence as frames.

    Args:
        names: What all of them are called. Where 16-bit ones do not say what is white, it is guessed from the
            largest value in at most 16 of them, spread over the sequence.
        decode: Decodes one, upright, given its place among the names; raises ``FileFormatError``.
        notes: Where what was guessed is said.
    """

    def __init__(self, names: Sequence[str], decode: Callable[[int], StoredImage], notes: list[str]) -> None:
        self._names = names
        self._stored = decode
        self._notes = notes
        self._clips = False

    def read(self, place: int) -> Image:
        """Read an image as RGB.

        Raises:
            VideoError: The file is missing, damaged, not an image, or of a type without a known white.
        """
        stored = self._decode(place)
        white = stored.white or self._common_white
        if not (self._clips or stored.white) and (largest := int(stored.values.max())) > white:
            self._clips = True
            self._notes.append(
                f"{self._names[place]} and maybe others hold more, here up to {largest}: what is above "
                f"{white} is white too"
            )
        return np.asarray(cv2.cvtColor(to_8_bit(stored.values, white), cv2.COLOR_BGR2RGB), np.uint8)

    @cached_property
    def _common_white(self) -> int:
        """The white of those that do not say."""
        largest, last = 0, len(self._names) - 1
        for place in sorted({round(last * step / (_LOOKED_AT - 1)) for step in range(_LOOKED_AT)}):
            stored = self._decode(place)
            if stored.white is None:
                largest = max(largest, int(stored.values.max()))
        white = guessed_white(largest)
        if white < 65535:
            self._notes.append(
                f"the 16-bit images hold values up to {largest}: read as {white.bit_length()}-bit, {white} "
                "being white"
            )
        return white

    def _decode(self, place: int) -> StoredImage:
        try:
            return self._stored(place)
        except FileFormatError as error:
            raise VideoError(str(error)) from error
