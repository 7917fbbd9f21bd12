"""FlyingThings3D, the subset for DispNet and FlowNet 2.0 (Ilg et al., CVPR 2017)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dinoflow_deploy.datasets.flow_dataset import FlowDataset, PairFiles
from dinoflow_deploy.datasets.readers.choices import CAMERAS, DIRECTIONS, check_choice, check_choices, ordered
from dinoflow_deploy.datasets.readers.file_tree import FileTree, Layout
from dinoflow_deploy.datasets.readers.sintel import RENDER_PASSES

SPLITS = ("train", "val")


class FlyingThingsSubset(FlowDataset):
    """The subset of FlyingThings3D without its hardest frames, 540x960.

    Layout::

        root/                       or root/FlyingThings3D_subset/
            train/                  or val/
                image_clean/left/0000000.png ...              or image_final; left and right
                flow/left/into_future/0000000.flo ...
                flow/left/into_past/0000001.flo ...
                flow_occlusions/left/into_future/0000000.png ...          may be left out as a whole

    Each flow counts one pair: flow k into the future belongs to frames k and k+1, flow k+1 into the past to
    frames k+1 and k. Numbers run on from scene to scene, so nothing but the flow itself tells which frames
    are neighbours: where one direction has flow between two frames, the other must have it too.

    Args:
        root: Folder of the data set.
        render_pass: "clean" or "final".
        split: "train" or "val".
        cameras: "left", "right" or both.
        directions: "future", "past" or both.
        allow_missing: Leave out pairs with missing files in place of raising.

    Raises:
        InputError: The root is not this subset, or the split is not there.
        FileFormatError: Files are missing.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        render_pass: str = "clean",
        split: str = "train",
        cameras: Sequence[str] = ("left",),
        directions: Sequence[str] = DIRECTIONS,
        allow_missing: bool = False,
    ) -> None:
        check_choice("render_pass", render_pass, RENDER_PASSES)
        check_choice("split", split, SPLITS)
        check_choices("cameras", cameras, CAMERAS)
        check_choices("directions", directions, DIRECTIONS)
        title = f"FlyingThings3D subset {render_pass} {split}"
        layout = Layout(title, ("FlyingThings3D_subset",), (f"{split}/image_{render_pass}", f"{split}/flow"))
        folder, tree = layout.find(Path(root)) / split, FileTree()
        pairs = (
            pair
            for camera in cameras
            for direction in directions
            for pair in _pairs(folder, f"image_{render_pass}", camera, direction, tree)
        )
        super().__init__(title, Path(root), pairs, tree, allow_missing=allow_missing)


def _pairs(folder: Path, image: str, camera: str, direction: str, tree: FileTree) -> Iterator[PairFiles]:
    images, flows = folder / image / camera, folder / "flow" / camera
    has_occluded = "flow_occlusions" in tree.folders(folder)
    pattern = r"(\d{7})\.flo"
    future = tree.numbers(flows / "into_future", pattern)
    past = {number - 1 for number in tree.numbers(flows / "into_past", pattern)}
    for k in sorted(future | past):
        first, second = ordered(k, direction)
        place = f"{camera}/into_{direction}/{first:07d}"
        yield PairFiles(
            name=f"things-subset/{folder.name}/{image}/{place}",
            frame1=images / f"{first:07d}.png",
            frame2=images / f"{second:07d}.png",
            flow=folder / "flow" / f"{place}.flo",
            occluded=folder / "flow_occlusions" / f"{place}.png" if has_occluded else None,
        )
