"""Synthetic scenes on disk, in the exact layouts of the data sets that everyone trains and measures on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.datasets.readers.choices import check_choice
from dinoflow_deploy.datasets.scenes.clip import SyntheticClip, render_clip
from dinoflow_deploy.datasets.scenes.photographs import photograph_pool
from dinoflow_deploy.datasets.scenes.random_streams import Stream, generator
from dinoflow_deploy.datasets.scenes.scene_config import SceneConfig
from dinoflow_deploy.datasets.scenes.synthetic_folder import synthetic_folder
from dinoflow_deploy.datasets.scenes.synthetic_scenes import SyntheticScenes, check_seed
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import write_flow
from dinoflow_deploy.flow.arrays import Image
from dinoflow_deploy.progress import NoProgress, Progress

MAX_PAIRS = 99_999  # FlyingChairs numbers its pairs in five digits

_MAX_MOTION = 32.0
_CHAIRS_VALIDATION = 640 / 22872
_SINTEL_STEPS = 10
_THINGS_STEPS = 9
_THINGS_FIRST = 6
# KITTI's laser sees nothing above the horizon and about a quarter of the pixels below.
_KITTI_HORIZON = 0.35
_KITTI_DENSITY = 0.25


@dataclass(frozen=True, slots=True)
class Scenes:
    """What a tree is made of.

    Attributes:
        config: What a scene may contain.
        pairs: How many.
        seed: Of everything random.
        photographs: A folder that textures are cut from; ``None`` where they are drawn.
    """

    config: SceneConfig
    pairs: int
    seed: int
    photographs: Path | None

    def independent(self) -> SyntheticScenes:
        """The pairs, each of a scene of its own."""
        return SyntheticScenes(self.config, self.seed, self.pairs, self.photographs)


Writer = Callable[[Path, Scenes], Iterator[int]]


@dataclass(frozen=True, slots=True)
class TreeLayout:
    """A layout that can be written.

    Attributes:
        height: Height of the frames of the real data set in pixels.
        width: Their width.
        names: What `open_dataset` reads the tree as.
        write: Writes pairs of a scene into a folder; yields how many it has just written.
    """

    height: int
    width: int
    names: tuple[str, ...]
    write: Writer


def write_synthetic_tree(
    layout: str,
    output: Path,
    *,
    pairs: int,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    photographs: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> int:
    """Write synthetic scenes in the layout of a data set; the folder appears whole or not at all.

    - "chairs": independent pairs with a split file of the published proportion.
    - "things": clips of 10 frames in both passes, left camera, flow in both directions, training part.
    - "sintel": clips of 11 frames in both passes with occlusions.
    - "kitti": independent pairs of KITTI 2015 with sparse truth, all of it and the visible alone.

    Args:
        layout: One of these.
        output: The folder that `open_dataset` will take as root.
        pairs: How many frame pairs with flow, 1 to 99 999. "things" counts both directions, so that an odd
            number becomes the next even one.
        size: Height and width of the frames in pixels; by default those of the real data set.
        seed: Seed of everything random, 0 or more.
        photographs: A folder of photographs to cut textures from; without it they are drawn.
        overwrite: Replace a folder of synthetic data that exists.
        progress: Who is told of each pair.

    Returns:
        The number of pairs written.

    Raises:
        InputError: A value is outside its range; the photographs are not there, damaged or tiny; or the
            folder exists, and is not to be replaced or holds anything else.
    """
    check_choice("layout", layout, tuple(TREE_LAYOUTS))
    if not 1 <= pairs <= MAX_PAIRS:
        raise InputError(f"pairs is {pairs}; give 1 to {MAX_PAIRS}")
    check_seed(seed)
    chosen = TREE_LAYOUTS[layout]
    height, width = size or (chosen.height, chosen.width)
    config = SceneConfig(height, width, min(_MAX_MOTION, min(height, width) / 4))
    progress = progress or NoProgress()
    if photographs is not None:
        photograph_pool(photographs)  # refused before a folder is begun
    written = 0
    made_by = {"layout": layout, "pairs": pairs, "height": height, "width": width, "seed": seed}
    made_by |= {} if photographs is None else {"photographs": str(photographs)}
    with synthetic_folder(output, made_by, overwrite=overwrite) as folder:
        progress.start(f"writing {layout}", pairs, "pairs")
        for count in chosen.write(folder, Scenes(config, pairs, seed, photographs)):
            written += count
            progress.advance(count)
        progress.finish()
    return written


def _write_chairs(folder: Path, scenes: Scenes) -> Iterator[int]:
    for number, sample in enumerate(scenes.independent(), start=1):
        stem = f"{number:05d}"
        _write_image(folder / f"data/{stem}_img1.ppm", sample.frame1)
        _write_image(folder / f"data/{stem}_img2.ppm", sample.frame2)
        write_flow(folder / f"data/{stem}_flow.flo", sample.flow)
        yield 1
    validation = max(1, round(scenes.pairs * _CHAIRS_VALIDATION)) if scenes.pairs > 1 else 0
    marks = ["1"] * (scenes.pairs - validation) + ["2"] * validation
    (folder / "FlyingChairs_train_val.txt").write_text("\n".join(marks) + "\n")


def _write_kitti(folder: Path, scenes: Scenes) -> Iterator[int]:
    training = folder / "training"
    horizon = int(_KITTI_HORIZON * scenes.config.height)
    for number, sample in enumerate(scenes.independent()):
        known = generator(scenes.seed, Stream.TRUTH, number).random(sample.valid.shape) < _KITTI_DENSITY
        known[:horizon] = False
        assert sample.occluded is not None, "synthetic scenes know what is occluded"
        first = f"{number:06d}_10.png"
        _write_image(training / "image_2" / first, sample.frame1)
        _write_image(training / f"image_2/{number:06d}_11.png", sample.frame2)
        write_flow(training / "flow_occ" / first, sample.flow, known)
        write_flow(training / "flow_noc" / first, sample.flow, known & ~sample.occluded)
        yield 1


def _write_sintel(folder: Path, scenes: Scenes) -> Iterator[int]:
    training = folder / "training"
    for index, steps in enumerate(_clip_steps(scenes.pairs, _SINTEL_STEPS)):
        scene = f"synthetic_{index + 1}"
        clean, final = _both_passes(scenes, steps + 1, index=index)
        for k in range(steps + 1):
            name = f"frame_{k + 1:04d}.png"
            _write_image(training / "clean" / scene / name, clean.frames[k])
            _write_image(training / "final" / scene / name, final.frames[k])
            _write_image(training / "invalid" / scene / name, np.zeros(clean.frames.shape[1:3], np.uint8))
        for k in range(steps):
            hidden = clean.occluded[k].astype(np.uint8) * 255
            _write_image(training / "occlusions" / scene / f"frame_{k + 1:04d}.png", hidden)
            write_flow(training / "flow" / scene / f"frame_{k + 1:04d}.flo", clean.flow[k])
            yield 1


def _write_things(folder: Path, scenes: Scenes) -> Iterator[int]:
    for index, steps in enumerate(_clip_steps(-(-scenes.pairs // 2), _THINGS_STEPS)):
        scene = f"TRAIN/A/{index:04d}"
        # A frame more at either end: every frame has flow in both directions, as in the real data set.
        clean, final = _both_passes(scenes, steps + 3, index=index, backward=True)
        assert clean.backward_flow is not None, "backward flow was asked for"
        for k in range(1, steps + 2):
            number = f"{k - 1 + _THINGS_FIRST:04d}"
            _write_image(folder / f"frames_cleanpass/{scene}/left/{number}.png", clean.frames[k])
            _write_image(folder / f"frames_finalpass/{scene}/left/{number}.png", final.frames[k])
            flows = folder / "optical_flow" / scene
            _write_pfm(flows / f"into_future/left/OpticalFlowIntoFuture_{number}_L.pfm", clean.flow[k])
            _write_pfm(
                flows / f"into_past/left/OpticalFlowIntoPast_{number}_L.pfm", clean.backward_flow[k - 1]
            )
            yield 2 if k > 1 else 0


def _clip_steps(total: int, most: int) -> list[int]:
    """How many neighbouring pairs each clip has."""
    return [min(most, total - begun) for begun in range(0, total, most)]


def _both_passes(scenes: Scenes, frames: int, **options: Any) -> tuple[SyntheticClip, SyntheticClip]:
    """The same motion without photometric effects, and with blur, brightness and noise."""
    clean = replace(scenes.config, blur_probability=0, brightness_probability=0, noise_probability=0)
    final = replace(scenes.config, blur_probability=1)
    options |= {"photographs": scenes.photographs}
    return render_clip(clean, scenes.seed, frames, **options), render_clip(
        final, scenes.seed, frames, **options
    )


def _write_image(path: Path, image: Image) -> None:
    # OpenCV takes blue, green, red.
    _write_encoded(path, image if image.ndim == 2 else image[..., ::-1])


def _write_pfm(path: Path, flow: NDArray[np.float32]) -> None:
    _write_encoded(path, np.dstack([np.zeros_like(flow[..., 0]), flow[..., 1], flow[..., 0]]))


def _write_encoded(path: Path, image: NDArray[Any]) -> None:
    done, data = cv2.imencode(path.suffix, np.ascontiguousarray(image))
    assert done, f"OpenCV writes {path.suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())


TREE_LAYOUTS = {
    "chairs": TreeLayout(384, 512, ("flyingchairs",), _write_chairs),
    "things": TreeLayout(540, 960, ("things-clean", "things-final"), _write_things),
    "sintel": TreeLayout(436, 1024, ("sintel-clean", "sintel-final"), _write_sintel),
    "kitti": TreeLayout(375, 1242, ("kitti-2015",), _write_kitti),
}
"""By the name that writes them."""
