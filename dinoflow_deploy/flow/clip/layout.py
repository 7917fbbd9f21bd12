"""How a field of flow lies in a grey picture, and what the file's tags say of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.flow.arrays import Flow, Mask, known_pixels
from dinoflow_deploy.flow.formats.levels import PER_PIXEL, ZERO, from_levels, to_levels

Picture = npt.NDArray[np.uint16]
"""``[2 H, W]``: u of all pixels, and below it v."""

SUFFIX: Final = ".mkv"
CODEC: Final = "ffv1"
PIXEL_FORMAT: Final = "gray16le"
_FIRST_KNOWN: Final = 1
"""The smallest level of a known component: 0 in both marks an unknown pixel."""
_FIXED: Final = {
    "FLOW_FORMAT": "1",
    "FLOW_LAYOUT": "u above v",
    "FLOW_UNIT": "px",
    "FLOW_SCALE": str(PER_PIXEL),
    "FLOW_ZERO": str(ZERO),
}
"""Tags that say how it is to be read."""
_WIDTH, _HEIGHT, _MODEL, _SOURCE = "FLOW_WIDTH", "FLOW_HEIGHT", "FLOW_MODEL", "FLOW_SOURCE"


@dataclass(frozen=True, slots=True)
class ClipTags:
    """What the tags of a file say.

    Attributes:
        width: Of the flow, in pixels.
        height: Likewise.
        model: What computed it; empty where that was not said.
        source: What it was computed of; likewise.
    """

    width: int
    height: int
    model: str
    source: str

    def to_tags(self) -> dict[str, str]:
        """The tags of a file."""
        size = {_WIDTH: str(self.width), _HEIGHT: str(self.height)}
        # Tags are UTF-8, which not every name of a file is.
        names = {
            key: text.encode("utf-8", "backslashreplace").decode()
            for key, text in ((_MODEL, self.model), (_SOURCE, self.source))
        }
        return {**_FIXED, **size, **{key: text for key, text in names.items() if text}}

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> "ClipTags":
        """Read the tags of a file.

        Raises:
            FileFormatError: One is missing, or says that the file holds flow in another way, or none.
        """
        for name, value in _FIXED.items():
            if tags.get(name) != value:
                found = f"is '{tags[name]}'" if name in tags else "is missing"
                raise FileFormatError(f"its tag {name} {found}, not '{value}': it is no flow in this layout")
        width, height = (_whole(tags.get(name, "")) for name in (_WIDTH, _HEIGHT))
        if width is None or height is None:
            raise FileFormatError(f"its tags {_WIDTH} and {_HEIGHT} do not say how large its flow is")
        return cls(width, height, tags.get(_MODEL, ""), tags.get(_SOURCE, ""))


def to_picture(flow: Flow, valid: Mask | None) -> Picture:
    """Flow ``[H, W, 2]`` as a picture.

    Raises:
        InputError: A known component is out of range, or ``valid`` does not fit.
    """
    known = known_pixels(flow, valid)
    if not known.all():
        flow = np.where(known[..., None], flow, np.float32(np.nan))
    levels = to_levels(flow, lowest=_FIRST_KNOWN, holder="a flow video")
    return levels.reshape(-1, levels.shape[2])


def from_picture(picture: npt.NDArray[Any]) -> tuple[Flow, Mask]:
    """Flow, 0 where unknown, and which pixels are known.

    Raises:
        FileFormatError: A pixel is unknown by half.
    """
    u, v = picture[: len(picture) // 2], picture[len(picture) // 2 :]
    valid = u != 0
    if not np.array_equal(valid, v != 0):
        raise FileFormatError("a pixel has only one component: it is no flow in this layout")
    flow = np.stack([from_levels(u), from_levels(v)], axis=-1)
    flow[~valid] = 0
    return flow, valid


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and int(text) > 0 else None
