"""What the model's card says of its accuracy: published, not measured here."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Published:
    """One figure of the card's zero-shot table.

    Attributes:
        method: Trained on FlyingChairs and FlyingThings3D, as the card says.
        dataset: Name as ``open_dataset`` takes it; all pairs of its training part.
        epe: End-point error in pixels; for KITTI 2015 the mean over images.
        fl_all: Percentage of outliers, pixels pooled; ``None`` where the card gives none.
    """

    method: str
    dataset: str
    epe: float
    fl_all: float | None = None


_CARD: Final = (
    ("RAFT", 1.43, 2.71, 5.04, 17.4),
    ("FlowFormer", 1.01, 2.40, 4.09, 14.7),
    ("SEA-RAFT", 1.19, 4.11, 3.62, 12.9),
    ("DinoFlow ViT-S", 3.97, 5.06, 19.79, 61.6),
)

PUBLISHED: Final = tuple(
    figure
    for method, clean, final, kitti, fl_all in _CARD
    for figure in (
        Published(method, "sintel-clean", clean),
        Published(method, "sintel-final", final),
        Published(method, "kitti-2015", kitti, fl_all),
    )
)


def published(dataset: str) -> list[Published]:
    """The card's figures on a data set; none on most."""
    return [figure for figure in PUBLISHED if figure.dataset == dataset]
