"""Small data sets in their exact layouts, written without the code under test.

Every file tells what it is: a frame holds its number in the red channel and its scene in the green one, flow
is (number of its first frame, +1 or -1 for its direction) everywhere. So a sample read from the wrong files
cannot pass.
"""

import io
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import h5py
import numpy as np

from dinoflow_deploy.datasets import FlowDataset, FlowSample
from tests.flow import samples

HEIGHT, WIDTH = 12, 20
JUNK = (
    ".DS_Store",
    "Thumbs.db",
    "readme.txt",
    "._frame_0001.png",
    "frame_0001.png.part",
    "frame_1.png",
    "x.flo",
)

Encoder = Callable[[int, int], bytes]
Expected = tuple[int, int, int]


@dataclass
class Tree:
    """Files to write, and the (scene, first, second) that each sample should show."""

    root: Path
    files: dict[Path, Encoder] = field(default_factory=dict)
    expected: list[Expected] = field(default_factory=list)

    def add(self, path: str, encode: Encoder) -> None:
        self.files[self.root / path] = encode

    def write(self) -> None:
        paths = sorted(self.files)
        random.Random(0).shuffle(paths)
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.rewrite(path)
        for folder in {path.parent for path in paths}:
            for name in JUNK:
                (folder / name).write_bytes(b"junk")
            (folder / ".hidden").mkdir(exist_ok=True)

    def rewrite(self, path: Path, height: int = HEIGHT, width: int = WIDTH) -> None:
        path.write_bytes(self.files[path](height, width))


def frame(number: int, scene: int, suffix: str = ".png") -> Encoder:
    def encode(height: int, width: int) -> bytes:
        image = np.full((height, width, 3), (200, scene, number), np.uint8)  # blue, green, red
        # 101 makes WebP lossless.
        options = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []
        return bytes(cv2.imencode(suffix, image, options)[1].data)

    return encode


def flow_field(first: int, second: int, height: int, width: int) -> np.ndarray:
    return np.full((height, width, 2), (first, second - first), np.float32)


def flo(first: int, second: int) -> Encoder:
    return lambda height, width: samples.flo(flow_field(first, second, height, width))


def pfm(first: int, second: int) -> Encoder:
    return lambda height, width: samples.pfm(flow_field(first, second, height, width))


def kitti(first: int, second: int, valid_rows: int = HEIGHT) -> Encoder:
    def encode(height: int, width: int) -> bytes:
        valid = np.zeros((height, width), np.bool_)
        valid[:valid_rows] = True
        return samples.png(samples.kitti_pixels(flow_field(first, second, height, width), valid))

    return encode


def flo5(first: int, second: int) -> Encoder:
    def encode(height: int, width: int) -> bytes:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file["flow"] = flow_field(first, second, 2 * height, 2 * width)
        return buffer.getvalue()

    return encode


def mask(rows: int) -> Encoder:
    """White in the first rows, black in the others."""

    def encode(height: int, width: int) -> bytes:
        image = np.zeros((height, width), np.uint8)
        image[:rows] = 255
        return bytes(cv2.imencode(".png", image)[1].data)

    return encode


def sintel(root: Path, render_pass: str = "clean") -> Tree:
    tree = Tree(root)
    for scene, name, frames in ((1, "alley_1", 4), (2, "bamboo_2", 3)):
        for k in range(1, frames + 1):
            tree.add(f"training/{render_pass}/{name}/frame_{k:04d}.png", frame(k, scene))
            tree.add(f"training/invalid/{name}/frame_{k:04d}.png", mask(1))
        for k in range(1, frames):
            tree.add(f"training/flow/{name}/frame_{k:04d}.flo", flo(k, k + 1))
            tree.add(f"training/occlusions/{name}/frame_{k:04d}.png", mask(3))
            tree.expected.append((scene, k, k + 1))
    return tree


def kitti_tree(root: Path, images: str = "image_2") -> Tree:
    tree = Tree(root)
    for scene in (0, 3, 7):
        for k in (9, 10, 11):
            tree.add(f"training/{images}/{scene:06d}_{k}.png", frame(k, scene))
        tree.add(f"training/flow_occ/{scene:06d}_10.png", kitti(10, 11, valid_rows=8))
        tree.add(f"training/flow_noc/{scene:06d}_10.png", kitti(10, 11, valid_rows=5))
        tree.expected.append((scene, 10, 11))
    return tree


def chairs(root: Path) -> Tree:
    tree = Tree(root)
    marks = "1211"
    for scene, mark in enumerate(marks, start=1):
        for k in (1, 2):
            tree.add(f"data/{scene:05d}_img{k}.ppm", frame(k, scene, ".ppm"))
        tree.add(f"data/{scene:05d}_flow.flo", flo(1, 2))
        if mark == "1":
            tree.expected.append((scene, 1, 2))
    tree.add("FlyingChairs_train_val.txt", lambda *_: "\n".join(marks).encode())
    return tree


def things(
    root: Path,
    part: str = "TRAIN",
    suffix: str = ".png",
    frames: str = "frames_cleanpass",
    camera: str = "left",
) -> Tree:
    tree = Tree(root)
    for scene, name in ((1, "A/0000"), (2, "A/0013"), (3, "C/0000")):
        numbers = range(6, 10)
        for k in numbers:
            tree.add(f"{frames}/{part}/{name}/{camera}/{k:04d}{suffix}", frame(k, scene, suffix))
            for direction, step in (("Future", 1), ("Past", -1)):
                file = f"OpticalFlowInto{direction}_{k:04d}_{camera[0].upper()}.pfm"
                tree.add(
                    f"optical_flow/{part}/{name}/into_{direction.lower()}/{camera}/{file}", pfm(k, k + step)
                )
        tree.expected += [(scene, k, k + 1) for k in numbers[:-1]]
        tree.expected += [(scene, k, k - 1) for k in numbers[1:]]
    return tree


def things_subset(root: Path, render_pass: str = "clean") -> Tree:
    tree = Tree(root)
    for k in range(10):
        tree.add(f"train/image_{render_pass}/left/{k:07d}.png", frame(k, 5))
    neighbours = [(k, k + 1) for k in (0, 1, 2, 5, 6, 8)]
    for low, high in neighbours:
        for direction, first, second in (("into_future", low, high), ("into_past", high, low)):
            tree.add(f"train/flow/left/{direction}/{first:07d}.flo", flo(first, second))
            tree.add(f"train/flow_occlusions/left/{direction}/{first:07d}.png", mask(2))
    tree.expected = [(5, *pair) for pair in neighbours] + [(5, high, low) for low, high in neighbours]
    return tree


def hd1k(root: Path) -> Tree:
    tree = Tree(root)
    for scene, frames in ((0, 3), (12, 2)):
        for k in range(frames):
            tree.add(f"hd1k_input/image_2/{scene:06d}_{k:04d}.png", frame(k, scene))
            tree.add(f"hd1k_flow_gt/flow_occ/{scene:06d}_{k:04d}.png", kitti(k, k + 1))
        tree.expected += [(scene, k, k + 1) for k in range(frames - 1)]
    return tree


def spring(root: Path) -> Tree:
    tree = Tree(root)
    for scene, frames in ((1, 3), (23, 2)):
        for camera in ("left", "right"):
            for k in range(1, frames + 1):
                tree.add(f"train/{scene:04d}/frame_{camera}/frame_{camera}_{k:04d}.png", frame(k, scene))
            for code, step, numbers in (("FW", 1, range(1, frames)), ("BW", -1, range(2, frames + 1))):
                folder = f"flow_{code}_{camera}"
                for k in numbers:
                    tree.add(f"train/{scene:04d}/{folder}/{folder}_{k:04d}.flo5", flo5(k, k + step))
                    tree.expected.append((scene, k, k + step))
    return tree


def pairs(root: Path) -> Tree:
    tree = Tree(root)
    lines = ["frame1,frame2,flow,occluded,name"]
    for k, encode, suffix in ((3, flo, ".flo"), (1, pfm, ".pfm"), (2, kitti, ".png")):
        tree.add(f"my images/{k}.jpg.png", frame(k, 4))
        tree.add(f"my images/{k + 5}.png", frame(k + 1, 4))
        tree.add(f"flow/{k}{suffix}", encode(k, k + 1))
        tree.add(f"masks/{k}.png", mask(2))
        lines.append(f"my images/{k}.jpg.png,my images/{k + 5}.png,flow/{k}{suffix},masks/{k}.png,")
        tree.expected.append((4, k, k + 1))
    tree.add("pairs.csv", lambda *_: "\n".join(lines).encode())
    return tree


TREES: dict[str, Callable[[Path], Tree]] = {
    "sintel-clean": sintel,
    "sintel-final": lambda root: sintel(root, "final"),
    "kitti-2015": kitti_tree,
    "kitti-2012": lambda root: kitti_tree(root, "colored_0"),
    "flyingchairs": chairs,
    "things-clean": things,
    "things-final": lambda root: things(root, suffix=".webp", frames="frames_finalpass_webp"),
    "things-subset-clean": things_subset,
    "things-subset-final": lambda root: things_subset(root, "final"),
    "hd1k": hd1k,
    "spring": spring,
    "pairs": pairs,
}
"""By the name that opens them."""


def shown(sample: FlowSample) -> Expected:
    """The (scene, first, second) that a sample shows, having checked that its parts agree."""
    first, second, scene = (
        int(x) for x in (sample.frame1[0, 0, 0], sample.frame2[0, 0, 0], sample.frame1[0, 0, 1])
    )
    for image, number in ((sample.frame1, first), (sample.frame2, second)):
        np.testing.assert_array_equal(image, np.broadcast_to([number, scene, 200], (HEIGHT, WIDTH, 3)))
    assert sample.valid.any()
    expected = np.where(sample.valid[..., None], flow_field(first, second, HEIGHT, WIDTH), 0)
    np.testing.assert_array_equal(sample.flow, expected)
    assert (sample.flow.dtype, sample.valid.dtype) == (np.float32, np.bool_)
    return scene, first, second


def all_shown(dataset: FlowDataset) -> list[Expected]:
    return sorted(shown(sample) for sample in dataset)
