"""A clip to measure with."""

from fractions import Fraction
from pathlib import Path
from typing import Final

from dinoflow_deploy.datasets import SceneConfig, render_clip
from dinoflow_deploy.video import VideoWriter

RATE: Final = Fraction(25)
SEED: Final = 7001
MAX_MOTION: Final = 16.0


def write_clip(path: Path, size: tuple[int, int], frames: int) -> None:
    """Write a synthetic clip as an mp4.

    Args:
        path: The file.
        size: Height and width in pixels.
        frames: Number of frames.
    """
    config = SceneConfig(*size, max_motion=MAX_MOTION)
    with VideoWriter(path, rate=RATE, time_base=1 / RATE) as writer:
        for number, frame in enumerate(render_clip(config, SEED, frames).frames):
            writer.write(frame, number)
