"""Pictures of flow: colours, colours over the frame, both side by side, arrows."""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from dinoflow_deploy.flow import flow_to_rgb
from dinoflow_deploy.flow.arrays import Flow, Image

colors = partial(flow_to_rgb, beyond="clip")
"""The colours of flow in videos: motion beyond the scale stays in full colour, and is no dark hole."""

_STRONGEST = 0.85  # how much of the frame the colour of the fastest motion covers
_ARROWS_ACROSS = 32  # arrows along the longer side
_CLOSEST_ARROWS = 12  # px
_SHORTEST_ARROW = 4  # px; shorter ones are dots
_LONGEST_ARROW = 1.5  # in distances between arrows: an arrow of max_flow
_FARTHEST_HEAD = 1e6  # px; OpenCV's coordinates are of 32 bits


def draw_flow(frame: Image, flow: Flow, max_flow: float) -> Image:
    """The Middlebury colours alone."""
    return colors(flow, max_flow)


def draw_overlay(frame: Image, flow: Flow, max_flow: float) -> Image:
    """Colours over a grey frame, the stronger the faster the motion; what stands still keeps its picture."""
    grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    length = cv2.magnitude(flow[..., 0], flow[..., 1])
    # The root lets slow motion show.
    cover = _STRONGEST * np.sqrt(np.minimum(length / np.float32(max_flow), 1))
    return np.asarray(cv2.blendLinear(colors(flow, max_flow), grey, cover, 1 - cover), np.uint8)


def draw_side_by_side(frame: Image, flow: Flow, max_flow: float) -> Image:
    """The frame on the left, the colours on the right."""
    return np.hstack([frame, colors(flow, max_flow)])


def draw_arrows(frame: Image, flow: Flow, max_flow: float) -> Image:
    """Arrows on the frame: direction and relative length of the motion around their foot.

    An arrow for ``max_flow`` is one and a half times as long as the distance between arrows; motion too short
    to see is a dot.
    """
    height, width = flow.shape[:2]
    distance = max(_CLOSEST_ARROWS, round(max(height, width) / _ARROWS_ACROSS))
    rows = np.arange(distance // 2, height, distance)
    columns = np.arange(distance // 2, width, distance)
    mean = cv2.blur(flow, (distance, distance))[np.ix_(rows, columns)]
    arrows = np.clip(_LONGEST_ARROW * distance * mean / np.float32(max_flow), -_FARTHEST_HEAD, _FARTHEST_HEAD)
    feet = np.stack(np.meshgrid(columns, rows), axis=-1)
    picture = np.ascontiguousarray(frame).copy()
    for foot, arrow in zip(feet.reshape(-1, 2), arrows.reshape(-1, 2), strict=True):
        _draw_arrow(picture, foot, foot + arrow)
    return picture


def _draw_arrow(picture: Image, foot: npt.NDArray[np.int_], head: npt.NDArray[np.float64]) -> None:
    start, end = (int(foot[0]), int(foot[1])), (round(float(head[0])), round(float(head[1])))
    if max(abs(end[0] - start[0]), abs(end[1] - start[1])) < _SHORTEST_ARROW:
        cv2.circle(picture, start, 1, (255, 230, 0), cv2.FILLED, cv2.LINE_AA)
        return
    # A dark line below keeps the arrow visible on bright ground.
    for color, thickness in (((0, 0, 0), 3), ((255, 230, 0), 1)):
        cv2.arrowedLine(picture, start, end, color, thickness, cv2.LINE_AA, tipLength=0.35)


RENDERERS: dict[str, Callable[[Image, Flow, float], Image]] = {
    "flow": draw_flow,
    "overlay": draw_overlay,
    "side-by-side": draw_side_by_side,
    "arrows": draw_arrows,
}
"""Ways to draw a frame and its flow: ``(frame, flow, max_flow) -> picture``, by name."""

COLORED = tuple(name for name in RENDERERS if name != "arrows")
"""Those in which a colour means a motion."""
