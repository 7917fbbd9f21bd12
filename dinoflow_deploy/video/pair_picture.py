"""The picture of a pair: its flow in one direction or both, with what is occluded hatched."""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from dinoflow_deploy.flow.arrays import Flow, Image, Mask
from dinoflow_deploy.video.render import RENDERERS
from dinoflow_deploy.video.scale import FlowFrame

_STRIPES_ACROSS: Final = 256  # along the longer side
_NARROWEST_STRIPE: Final = 2  # px
_GREYS: Final = np.array([80, 192], np.uint8)  # no colour of flow, and neither its white nor its black


def draw_pair(pair: FlowFrame, render: str, max_flow: float) -> Image:
    """Draw the flow of a pair.

    Backward flow is drawn on the second frame, at the right of forward flow on the first; below it with
    ``"side-by-side"``, which is wide already. Occluded pixels are covered with grey stripes, which lie under
    the arrows of ``"arrows"``.

    Args:
        pair: What to draw.
        render: A key of :data:`~dinoflow_deploy.video.render.RENDERERS`.
        max_flow: Motion in pixels that is drawn fully saturated.

    Returns:
        ``uint8 [H, W, 3]``, RGB.
    """
    forward = _drawn(pair.frame.image, pair.flow, pair.occluded, render, max_flow)
    if pair.second is None or pair.backward is None:
        return forward
    backward = _drawn(pair.second, pair.backward, pair.backward_occluded, render, max_flow)
    return (np.vstack if render == "side-by-side" else np.hstack)([forward, backward])


def _drawn(image: Image, flow: Flow, occluded: Mask | None, render: str, max_flow: float) -> Image:
    if occluded is not None and render == "arrows":
        image = hatched(image, occluded)
    picture = RENDERERS[render](image, flow, max_flow)
    if occluded is not None and render != "arrows":
        # Colours are at the right of whatever is beside them.
        left = picture.shape[1] - occluded.shape[1]
        picture[:, left:] = hatched(picture[:, left:], occluded)
    return picture


def hatched(image: Image, where: Mask) -> Image:
    """Cover a part of an image with diagonal stripes in two greys.

    Args:
        image: ``uint8 [H, W, 3]``, RGB.
        where: bool ``[H, W]``, true where to cover it.

    Returns:
        A new image.
    """
    return np.where(where[..., np.newaxis], _stripes(*where.shape), image)


@lru_cache(maxsize=1)
def _stripes(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Grey levels ``[H, W, 1]``."""
    stripe = max(_NARROWEST_STRIPE, round(max(height, width) / _STRIPES_ACROSS))
    y, x = np.ogrid[:height, :width]
    stripes: npt.NDArray[np.uint8] = _GREYS[(x + y) // stripe % 2][..., np.newaxis]
    return stripes
