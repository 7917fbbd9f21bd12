"""Photographs inside scikit-image and scikit-learn: what built-in models learn from, and what they never see.

TRAINING are textures of the built-in models' training scenes. HELD_OUT are those that tables and tests use,
as is scikit-image's stereo pair "motorcycle"; a test holds the two lists apart. None is part of this package.

Run: pip install scikit-image scikit-learn && python benchmarks/photographs.py FOLDER
"""

import argparse
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

from dinoflow_deploy.bundles.input_range import STRIDE
from dinoflow_deploy.datasets import FlowSample
from dinoflow_deploy.datasets.frames import read_frames
from dinoflow_deploy.flow.arrays import Image

_FOLDERS: Final = {"skimage": "data", "sklearn": "datasets/images"}
TRAINING: Final = {
    "skimage": (
        *("brick.png", "camera.png", "coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg"),
        *("ihc.png", "moon.png", "page.png", "retina.jpg", "rocket.jpg", "text.png"),
    ),
    "sklearn": ("china.jpg", "flower.jpg"),
}
"""Files of each library that textures are cut from in training."""
HELD_OUT: Final = {"skimage": ("astronaut.png", "chelsea.png", "coffee.png")}
"""Files that tables and tests use."""

SHIFTS: Final = ((2, 0), (5, 3))
"""Motions in px, to the right and down, that photographs are shifted by."""
NOISE: Final = 5.0
"""Standard deviation of noise, in grey levels of 255."""

_MARGIN: Final = 16


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the training photographs are copied to")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for library, names in TRAINING.items():
        for name in names:
            shutil.copy(photograph_file(library, name), folder / name)


def photograph_file(library: str, name: str) -> Path:
    """A file that a library comes with.

    Raises:
        FileNotFoundError: The library or the file is not there.
    """
    found = find_spec(library)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"{library} is not installed: pip install scikit-image scikit-learn")
    return Path(found.origin).parent / _FOLDERS[library] / name


def still_photographs(*, noise: float = 0.0) -> Iterator[FlowSample]:
    """Held-out photographs twice, the second time with noise: nothing moves.

    Args:
        noise: Its standard deviation in grey levels.
    """
    for name, photograph in _held_out():
        frame = _whole_cells(photograph)
        grain = np.random.default_rng(0).normal(0, noise, frame.shape)
        second = np.clip(np.rint(frame + grain), 0, 255).astype(np.uint8)
        yield _sample(name, frame, second, (0, 0))


def shifted_photographs(shift: tuple[int, int]) -> Iterator[FlowSample]:
    """Two parts of each held-out photograph, one px by px beside the other: what enters is real, too.

    Args:
        shift: Motion in px, to the right and down, at most 16.
    """
    right, down = shift
    for name, photograph in _held_out():
        inner = photograph[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN].shape[:2]
        parts = (
            photograph[top : top + inner[0], left : left + inner[1]]
            for left, top in ((_MARGIN, _MARGIN), (_MARGIN - right, _MARGIN - down))
        )
        first, second = (_whole_cells(part) for part in parts)
        yield _sample(name, first, second, shift)


def _held_out() -> Iterator[tuple[str, Image]]:
    for library, names in HELD_OUT.items():
        for name in names:
            (photograph,) = read_frames(photograph_file(library, name))
            yield name, photograph


def _whole_cells(image: Image) -> Image:
    """Without the rest beyond multiples of 16 px, so that padding plays no part."""
    height, width = (side - side % STRIDE for side in image.shape[:2])
    return np.ascontiguousarray(image[:height, :width])


def _sample(name: str, first: Image, second: Image, shift: tuple[int, int]) -> FlowSample:
    flow = np.broadcast_to(np.array(shift, np.float32), (*first.shape[:2], 2)).copy()
    return FlowSample(first, second, flow, np.ones(flow.shape[:2], bool), None, name)


if __name__ == "__main__":
    main()
