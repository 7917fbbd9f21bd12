"""Spring (Mehl et al., CVPR 2023; https://spring-benchmark.org)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from dinoflow_deploy.datasets.flow_dataset import FlowDataset, PairFiles
from dinoflow_deploy.datasets.frame_files import check_sizes, read_frames
from dinoflow_deploy.datasets.readers.choices import CAMERAS, DIRECTIONS, check_choices, ordered
from dinoflow_deploy.datasets.readers.file_tree import FileTree, Layout, span
from dinoflow_deploy.datasets.sample import FlowSample
from dinoflow_deploy.errors import SizeMismatchError
from dinoflow_deploy.flow import read_flow

_CODES = {"future": "FW", "past": "BW"}


class Spring(FlowDataset):
    """The training part of Spring, 1080x1920, 37 scenes, 19 852 pairs.

    Layout::

        root/                       or root/spring/
            train/
                0001/frame_left/frame_left_0001.png ... frame_left_NNNN.png        left and right
                0001/flow_FW_left/flow_FW_left_0001.flo5 ... flow_FW_left_(NNNN-1).flo5
                0001/flow_BW_left/flow_BW_left_0002.flo5 ... flow_BW_left_NNNN.flo5

    A scene of N frames counts N-1 pairs for each camera and direction: forward frames k and k+1 with FW flow
    k, backward frames k+1 and k with BW flow k+1.

    Truth has four vectors for each pixel, at 2160x3840, in pixels of the 1080x1920 frames.
    `FlowSample.flow` is the upper left one, as the benchmark's own loader takes it for training;
    `FlowSample.subpixel_flow` has all four, of which the benchmark counts the one nearest to the prediction.

    Args:
        root: Folder of the data set.
        cameras: "left", "right" or both.
        directions: "future", "past" or both.
        allow_missing: Leave out pairs with missing files in place of raising.

    Raises:
        InputError: The root is not Spring.
        FileFormatError: Files are missing.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        cameras: Sequence[str] = CAMERAS,
        directions: Sequence[str] = DIRECTIONS,
        allow_missing: bool = False,
    ) -> None:
        check_choices("cameras", cameras, CAMERAS)
        check_choices("directions", directions, DIRECTIONS)
        folder, tree = Layout("Spring", ("spring",), ("train",)).find(Path(root)) / "train", FileTree()
        pairs = (
            pair
            for scene in sorted(tree.folders(folder))
            for camera in cameras
            for direction in directions
            for pair in _pairs(folder / scene, camera, direction, tree)
        )
        super().__init__("Spring", Path(root), pairs, tree, allow_missing=allow_missing)

    def read(self, pair: PairFiles) -> FlowSample:
        """Read the files of one sample.

        Raises:
            FileFormatError: A file is damaged; names it.
            SizeMismatchError: The flow is not twice as high and wide as the frames; names both.
        """
        frame1, frame2 = read_frames(pair.frame1, pair.frame2)
        check_sizes({pair.frame1: frame1, pair.frame2: frame2})
        fine, known = read_flow(pair.flow)
        height, width = frame1.shape[:2]
        if known.shape != (2 * height, 2 * width):
            raise SizeMismatchError(
                f"{pair.flow} has {known.shape[0]}x{known.shape[1]} vectors (height x width) but "
                f"{pair.frame1} has {height}x{width} pixels: Spring's truth is twice as high and wide"
            )
        flow, valid = fine[::2, ::2].copy(), known[::2, ::2].copy()
        fine[~known] = np.nan
        quarters = fine.reshape(height, 2, width, 2, 2).transpose(1, 3, 0, 2, 4)
        return FlowSample(frame1, frame2, flow, valid, None, pair.name, quarters)


def _pairs(folder: Path, camera: str, direction: str, tree: FileTree) -> Iterator[PairFiles]:
    images, stem = folder / f"frame_{camera}", f"flow_{_CODES[direction]}_{camera}"
    flows = tree.numbers(folder / stem, rf"{stem}_(\d{{4}})\.flo5")
    # A flow proves that there was a frame before or after its own.
    other = {ordered(0, direction)[1] - ordered(0, direction)[0] + number for number in flows}
    for k in span(tree.numbers(images, rf"frame_{camera}_(\d{{4}})\.png") | flows | other):
        first, second = ordered(k, direction)
        yield PairFiles(
            name=f"spring/{folder.name}/{stem}_{first:04d}",
            frame1=images / f"frame_{camera}_{first:04d}.png",
            frame2=images / f"frame_{camera}_{second:04d}.png",
            flow=folder / stem / f"{stem}_{first:04d}.flo5",
        )
