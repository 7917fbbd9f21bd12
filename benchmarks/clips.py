"""A clip to measure with."""

from fractions import Fraction
from pathlib import Path
from typing import Final

from dinoflow_deploy.datasets import SceneConfig, render_clip
from dinoflow_deploy.flow.arrays import Flow
from dinoflow_deploy.video import VideoWriter

RATE: Final = Fraction(25)
SEED: Final = 7001
MAX_MOTION: Final = 16.0


def write_clip(path: Path, size: tuple[int, int], frames: int) -> Flow:
    """Write a synthetic clip as an mp4.

    Args:
        path: The file.
        size: Height and width in pixels.
        frames: Number of frames.

    Returns:
        The flow of each pair of neighbours, ``float32 [frames - 1, H, W, 2]`` in pixels.
    """
    clip = render_clip(SceneConfig(*size, max_motion=MAX_MOTION), SEED, frames)
    with VideoWriter(path, rate=RATE, time_base=1 / RATE) as writer:
        for number, frame in enumerate(clip.frames):
            writer.write(frame, number)
    return clip.flow
