"""Image files: read whole, or not at all."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.errors import FileFormatError

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


def decode_image(path: Path, flags: int) -> NDArray[Any]:
    """Decode an image file with OpenCV.

    Args:
        path: The file.
        flags: OpenCV's ``IMREAD_...``.

    Returns:
        ``[H, W]`` or ``[H, W, channels]``, channels in OpenCV's order: blue, green, red.

    Raises:
        FileFormatError: The file is missing, cut off, damaged or not an image.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror}") from error
    # Older versions of OpenCV decode a JPEG that is cut off and fill the rest with grey.
    if data.startswith(_JPEG_START) and not data.rstrip(b"\0").endswith(_JPEG_END):
        raise FileFormatError(f"{path}: the JPEG is cut off after {len(data)} bytes")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as error:
        raise FileFormatError(f"{path}: cannot be decoded: {error}") from None
    if image is None:
        raise FileFormatError(
            f"{path}: cannot be decoded as an image: it is cut off, damaged or of another kind"
        )
    return image
