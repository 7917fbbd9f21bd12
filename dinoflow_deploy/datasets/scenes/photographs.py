"""Textures cut from photographs of the user's own."""

import hashlib
import math
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets.frames import read_frames
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.images.image_files import IMAGE_SUFFIXES
from dinoflow_deploy.system.system_errors import explain

SMALLEST_SIDE: Final = 32
"""Pixels: what is smaller, mirrored at its borders, is a pattern and no longer a photograph."""
LARGEST_SIDE: Final = 1024
"""Pixels: larger photographs are shrunk to this, as far as their shorter side allows."""

_KEPT_BYTES: Final = 256 * 2**20
_MOST_SHRINKING: Final = 3.0
_SHOWN: Final = 5


class PhotographPool:
    """The photographs of a folder, each read when first used, that textures are cut from.

    A texture is a part of a photograph, at its size or shrunk, turned by a multiple of 90 degrees or
    mirrored, with another brightness, contrast and tint. Nothing is learned of a photograph's content but how
    it looks: motion, and with it the truth, comes from the scene.

    Args:
        files: Images, at least one.
    """

    def __init__(self, files: tuple[Path, ...]) -> None:
        self.files = files
        self._kept: OrderedDict[Path, Image] = OrderedDict()
        self._bytes = 0

    def __reduce__(self) -> tuple[Any, ...]:
        # Read again in another process, not sent to it.
        return (PhotographPool, (self.files,))

    def texture(self, rng: np.random.Generator, height: int, width: int) -> Image:
        """A texture `uint8 [h, w, 3]` with h and w at most the size asked for and that of a photograph."""
        shrunk = self.cut(rng, int(rng.integers(len(self.files))), height, width)
        return np.asarray(cv2.transform(shrunk, _tint(rng)), np.uint8)

    def cut(self, rng: np.random.Generator, index: int, height: int, width: int) -> Image:
        """The same of one photograph, in its own colours."""
        photograph = self._read(self.files[index])
        if rng.random() < 0.5:
            photograph = photograph.transpose(1, 0, 2)
        down, right = (int(step) for step in rng.choice([-1, 1], 2))
        high, wide = photograph.shape[:2]
        most = min(high / height, wide / width, _MOST_SHRINKING)
        shrinking = math.exp(rng.uniform(0, math.log(most))) if most > 1 else 1.0
        cut = min(high, round(height * shrinking)), min(wide, round(width * shrinking))
        top, left = (int(rng.integers(side - part + 1)) for side, part in zip((high, wide), cut, strict=True))
        part = photograph[top : top + cut[0], left : left + cut[1]][::down, ::right]
        size = min(width, cut[1]), min(height, cut[0])
        return np.asarray(
            cv2.resize(np.ascontiguousarray(part), size, interpolation=cv2.INTER_AREA), np.uint8
        )

    def background(self, rng: np.random.Generator, height: int, width: int) -> Image:
        """A texture for what lies behind everything: a photograph as any other."""
        return self.texture(rng, height, width)

    def fingerprint(self) -> str:
        """A hash of the files' content in their order: other photographs are another run."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()

    def _read(self, file: Path) -> Image:
        if file in self._kept:
            self._kept.move_to_end(file)
            return self._kept[file]
        photograph = _read(file)
        self._kept[file] = photograph
        self._bytes += photograph.nbytes
        while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return photograph


def photograph_pool(folder: Path) -> PhotographPool:
    """The photographs of a folder and of the folders in it, hidden ones left out; each is read once.

    Grey images get three equal channels. What is no image, by its suffix, is left out.

    Args:
        folder: Where they are.

    Raises:
        InputError: There is no such folder, or it holds no image; or images are damaged or too small: names
            them.
    """
    try:
        files = tuple(sorted(_images(folder)))
    except OSError as error:
        raise InputError(f"photographs for textures: {explain(error)}") from error
    if not files:
        raise InputError(f"{folder} holds no photograph for textures ({', '.join(sorted(IMAGE_SUFFIXES))})")
    stats = ((file, file.stat()) for file in files)
    return _checked_pool(tuple((file, stat.st_mtime_ns, stat.st_size) for file, stat in stats))


@lru_cache(maxsize=4)
def _checked_pool(stamped: tuple[tuple[Path, int, int], ...]) -> PhotographPool:
    """The pool of some files as they are now, shared by all stages of a run."""
    files = tuple(file for file, *_ in stamped)
    with ThreadPoolExecutor() as readers:
        faults = [fault for fault in readers.map(_fault, files) if fault]
    if faults:
        more = f"\nand {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise InputError(
            "photographs that cannot be textures, take them out:\n" + "\n".join(faults[:_SHOWN]) + more
        )
    return PhotographPool(files)


def _images(folder: Path, above: frozenset[Path] = frozenset()) -> list[Path]:
    found: list[Path] = []
    # A link to a folder that holds it would be followed for ever.
    real = folder.resolve()
    if real in above:
        return found
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            found += _images(path, above | {real})
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            found.append(path)
    return found


def _fault(file: Path) -> str | None:
    try:
        height, width = _read(file).shape[:2]
    except FileFormatError as error:
        return str(error)
    if min(height, width) < SMALLEST_SIDE:
        return f"{file} is {width}x{height}: both sides must have {SMALLEST_SIDE} px"
    return None


def _read(file: Path) -> Image:
    (photograph,) = read_frames(file)
    height, width = photograph.shape[:2]
    # A panorama is not made too narrow for a texture.
    shrinking = max(LARGEST_SIDE / max(height, width), SMALLEST_SIDE / min(height, width))
    if shrinking >= 1:
        return photograph
    size = round(width * shrinking), round(height * shrinking)
    return np.asarray(cv2.resize(photograph, size, interpolation=cv2.INTER_AREA), np.uint8)


def _tint(rng: np.random.Generator) -> NDArray[np.float64]:
    """A 3x4 matrix: colours pulled towards grey or apart, brighter or darker, of more or less contrast."""
    grey = np.full((3, 3), 1 / 3)
    mix = np.eye(3) + rng.uniform(-0.3, 0.6) * (grey - np.eye(3))
    mix *= rng.uniform(0.7, 1.2) * rng.uniform(0.9, 1.1, (3, 1))
    middle = 127.5 + rng.uniform(-25, 25)
    return np.column_stack([mix, middle - mix.sum(axis=1) * 127.5])
