"""What the user can choose about a flow video."""

from dataclasses import dataclass, field
from pathlib import Path

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow.arrays import UNKNOWN_ABOVE
from dinoflow_deploy.video.frame_source import Selection, check_max_side
from dinoflow_deploy.video.render import COLORED, RENDERERS

FLOW_FORMATS = ("flo", "png", "npy")
MAX_FLOW_RANGE = (1e-3, UNKNOWN_ABOVE)
"""Pixels: smallest and largest scale of colours. Longer motion marks an unknown pixel in files."""


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """What to draw and what to keep.

    Attributes:
        render: ``"flow"``, ``"overlay"``, ``"side-by-side"`` or ``"arrows"``.
        max_flow: Motion in pixels that is drawn fully saturated in the whole clip; ``None`` fixes it from the
            first seconds (:class:`~dinoflow_deploy.video.color_scale.ColorScale`).
        compute_side: Flow is computed on frames of at most this many pixels on the longer side, and given at
            the size of the source's frames, in their pixels; ``None`` to compute at that size.
        selection: Which frames are used.
        legend: Draw the colour wheel with its scale in px into a corner.
        encoder: Of an mp4: ``"x264"``, which ``"auto"`` is, or ``"nvenc"`` for an NVIDIA GPU's.
        show: Open a window that shows each picture as it is made; ``q``, Esc or closing it ends the clip
            early.
        backward: Compute flow from the second frame of each pair to the first too; it is drawn beside forward
            flow, on the second frame.
        occlusion: Find what of a frame is hidden in the next or has left it, by
            :func:`~dinoflow_deploy.flow.consistency` at the size at which flow is computed; it is hatched and
            counted. With ``backward``, likewise what the second frame shows and the first does not.
        save_flow: Folder for the flow of each pair at the size of the frames used, named by the number of its
            first frame: ``000042.flo``, ``000042-backward.flo``; and for occlusion, 255 in an 8-bit image:
            ``000042-occluded.png``. Or a ``.mkv`` file for forward flow of all pairs
            (:class:`~dinoflow_deploy.flow.FlowClipWriter`).
        flow_format: ``"flo"``, ``"png"`` (KITTI) or ``"npy"``.
        overwrite: Replace outputs that exist.
    """

    render: str = "flow"
    max_flow: float | None = None
    compute_side: int | None = None
    selection: Selection = field(default_factory=Selection)
    legend: bool = False
    encoder: str = "auto"
    show: bool = False
    backward: bool = False
    occlusion: bool = False
    save_flow: Path | None = None
    flow_format: str = "flo"
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_max_side(self.compute_side)
        if self.render not in RENDERERS:
            raise InputError(f"render is '{self.render}': choose one of {', '.join(RENDERERS)}")
        if self.legend and self.render not in COLORED:
            raise InputError(
                f"legend is for renderings with colours ({', '.join(COLORED)}), not {self.render}"
            )
        if self.flow_format not in FLOW_FORMATS:
            raise InputError(f"flow-format is '{self.flow_format}': choose one of {', '.join(FLOW_FORMATS)}")
        low, high = MAX_FLOW_RANGE
        if self.max_flow is not None and not low <= self.max_flow <= high:
            raise InputError(f"max-flow is {self.max_flow}: it must be {low:g} to {high:g} px")
