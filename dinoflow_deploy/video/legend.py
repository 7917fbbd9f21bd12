"""The key to the colours, drawn into a corner of a picture."""

from functools import lru_cache

import cv2
import numpy as np

from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.video.render import colors

_SHARE = 0.18  # of the picture's shorter side: the wheel's diameter
_SMALLEST_WHEEL = 32  # px; on smaller ones hues cannot be told apart
_WHEEL_WITH_KEY = 64  # px; what the ring is stands below larger ones
_BEYOND = 1.25  # radius of the wheel, with its ring, in lengths of full colour
_MOST_COVERED = 0.6  # of each of the picture's sides
_SAMPLES = 4  # per pixel and direction
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_TEXT_HEIGHT = 21  # px of a digit at scale 1 in this font
_SMALLEST_TEXT = 8  # px
_INK = (40, 40, 40)


class Legend:
    """A colour wheel with its scale, in the lower right corner.

    A hue is a direction: that from the middle of the wheel. The saturation is the length of the motion, up to
    the circle that is drawn in the wheel: its length in px is written below. The ring around it has the
    colours of all that is longer.

    Attributes:
        note: Why it is missing; ``None`` if it is there.
    """

    def __init__(self) -> None:
        self.note: str | None = None

    def draw(self, picture: Image, width: int, max_flow: float) -> None:
        """Draw it into a picture, or leave that as it is where it would cover most of it.

        Args:
            picture: ``uint8 [H, W, 3]``, RGB.
            width: Of its part, on the right, that shows flow.
            max_flow: Length in px from which colours are full.
        """
        height = len(picture)
        panel = _panel(min(width, height), max_flow)
        rows, columns = panel.shape[:2]
        margin = max(2, min(width, height) // 50)
        if rows + margin > _MOST_COVERED * height or columns + margin > _MOST_COVERED * width:
            self.note = f"there is no room for the legend in {width}x{height}"
            return
        picture[-margin - rows : -margin, -margin - columns : -margin] = panel


@lru_cache(maxsize=4)
def _panel(side: int, max_flow: float) -> Image:
    """Wheel and text on white, for a picture with this shorter side."""
    wheel = _wheel(max(_SMALLEST_WHEEL, round(_SHARE * side)))
    lines = [f"{max_flow:g} px", *(["ring: more"] if len(wheel) >= _WHEEL_WITH_KEY else [])]
    height = max(_SMALLEST_TEXT, round(len(wheel) * 0.15))
    parts = [wheel, *(_text(line, height) for line in lines)]
    gap = max(2, len(wheel) // 24)
    width = max(part.shape[1] for part in parts) + 2 * gap
    panel = np.full((sum(len(part) + gap for part in parts) + gap, width, 3), 255, np.uint8)
    top = gap
    for part in parts:
        left = (width - part.shape[1]) // 2
        panel[top : top + len(part), left : left + part.shape[1]] = part
        top += len(part) + gap
    return np.asarray(cv2.rectangle(panel, (0, 0), (width - 1, len(panel) - 1), _INK, 1), np.uint8)


def _wheel(diameter: int) -> Image:
    """The colours of all motions up to 1.25 times the scale, on white, with a circle at the scale."""
    count = diameter * _SAMPLES
    axis = (2 * np.arange(count, dtype=np.float32) + 1) / count - 1
    u, v = np.meshgrid(axis, axis)
    length = np.hypot(u, v) * _BEYOND
    image = colors(np.stack([u, v], axis=2) * np.float32(_BEYOND), 1.0)
    image[length > _BEYOND] = 255
    thickness = max(1, diameter // 60) * _BEYOND * 2 / diameter
    image[abs(length - 1) < thickness / 2] = _INK
    return np.asarray(cv2.resize(image, (diameter, diameter), interpolation=cv2.INTER_AREA), np.uint8)


def _text(text: str, height: int) -> Image:
    """A line of dark text on white, its digits this high."""
    scale, thickness = height / _TEXT_HEIGHT, max(1, round(height / 15))
    (width, rise), drop = cv2.getTextSize(text, _FONT, scale, thickness)
    image = np.full((rise + drop, width, 3), 255, np.uint8)
    return np.asarray(
        cv2.putText(image, text, (0, rise), _FONT, scale, _INK, thickness, cv2.LINE_AA), np.uint8
    )
