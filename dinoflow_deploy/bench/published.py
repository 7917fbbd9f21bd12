"""Zero-shot figures of the DinoFlow model card: published by their authors, not measured here."""

from dataclasses import dataclass
from typing import Any, Final

SOURCE: Final = (
    "published in the DinoFlow model card, not measured here: models trained on FlyingChairs and "
    "FlyingThings3D, training parts of Sintel and KITTI 2015, KITTI as the mean over images"
)
"""What to print with the table."""


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """One row of the table.

    Attributes:
        method: Name of the model.
        epe: Mean end-point error in pixels, by name of the data set.
        fl_all: Fl-all in percent, by name of the data set.
    """

    method: str
    epe: dict[str, float]
    fl_all: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {"method": self.method, "epe": dict(self.epe), "fl_all": dict(self.fl_all)}


def _row(method: str, clean: float, final: float, kitti: float, fl_all: float) -> PublishedResult:
    epe = {"sintel-clean": clean, "sintel-final": final, "kitti-2015": kitti}
    return PublishedResult(method, epe, {"kitti-2015": fl_all})


PUBLISHED: Final = (
    _row("RAFT", 1.43, 2.71, 5.04, 17.4),
    _row("FlowFormer", 1.01, 2.40, 4.09, 14.7),
    _row("SEA-RAFT", 1.19, 4.11, 3.62, 12.9),
    _row("DinoFlow ViT-S", 3.97, 5.06, 19.79, 61.6),
)
"""Rows of the model card, in its order."""
