"""What decides which flow is computed, and how it is kept: one answer for all clips of a folder."""

from dataclasses import dataclass
from typing import Final

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.video.frame_source import Selection, check_max_side

FORMATS: Final = ("mkv", "flo", "png", "npy")
"""One file for a clip, or a folder with a file for each pair."""


@dataclass(frozen=True, slots=True)
class FlowChoices:
    """What decides the flow of every clip.

    Attributes:
        format: ``"mkv"``, or files of each pair: ``"flo"``, ``"png"`` (KITTI) or ``"npy"``.
        batch: Pairs that the engine is given at once.
        max_side: Shrink larger frames to so many pixels on the longer side first.
        start: First frame used, from 0.
        frames: Most frames used; ``None`` for all that follow.
        stride: Distance between frames used.
        rgb_max_flow: Draw flow in colours too, an mp4 for each clip; motion of so many pixels is drawn in
            full colour. ``None`` for no pictures.
    """

    format: str = "mkv"
    batch: int = 1
    max_side: int | None = None
    start: int = 0
    frames: int | None = None
    stride: int = 1
    rgb_max_flow: float | None = None

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InputError(f"format is '{self.format}': choose one of {', '.join(FORMATS)}")
        if self.batch < 1:
            raise InputError(f"batch is {self.batch}: it must be at least 1")
        if self.rgb_max_flow is not None and not 0 < self.rgb_max_flow < float("inf"):
            raise InputError(f"max-flow is {self.rgb_max_flow:g} px: it must be positive")
        check_max_side(self.max_side)
        _ = self.selection

    @property
    def selection(self) -> Selection:
        """Which frames are used.

        Raises:
            InputError: There is no such selection.
        """
        return Selection(self.start, self.frames, self.stride)
