"""The one sample type of every data set."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.flow.arrays import Flow, Image, Mask


@dataclass(frozen=True, slots=True)
class FlowSample:
    """Two frames and the flow from the first to the second.

    Attributes:
        frame1: `uint8 [H, W, 3]`, RGB.
        frame2: `uint8 [H, W, 3]`, RGB.
        flow: `float32 [H, W, 2]`, (u, v) in pixels, frame 1 to frame 2, u to the right, v down.
        valid: `bool [H, W]`, true where ground truth exists.
        occluded: `bool [H, W]`, true where a pixel of frame 1 is hidden or outside in frame 2;
            None where the data set does not say.
        name: What identifies the sample, such as "synthetic/seed=7/index=123".
        subpixel_flow: `float32 [2, 2, H, W, 2]`, where truth is finer than the frames (Spring): the four true
            vectors of each pixel, in pixels of the frames, NaN where unknown. `[0, 0]` is the upper left
            quarter, whose vectors are in `flow`; `[0, 1]` is right of it. None for other data sets.
    """

    frame1: Image
    frame2: Image
    flow: Flow
    valid: Mask
    occluded: Mask | None
    name: str
    subpixel_flow: NDArray[np.float32] | None = None
