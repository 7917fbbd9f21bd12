"""FlyingThings3D, full release (Mayer et al., CVPR 2016)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dinoflow_deploy.datasets.flow_dataset import FlowDataset, PairFiles
from dinoflow_deploy.datasets.readers.choices import CAMERAS, DIRECTIONS, check_choice, check_choices, ordered
from dinoflow_deploy.datasets.readers.file_tree import FileTree, Layout, first_folder, span
from dinoflow_deploy.datasets.readers.sintel import RENDER_PASSES
from dinoflow_deploy.errors import InputError

SPLITS = ("train", "test")


class FlyingThings(FlowDataset):
    """FlyingThings3D, 540x960, 2239 training and 437 test scenes of 10 frames.

    Layout::

        root/                       or root/FlyingThings3D/
            frames_cleanpass/       or frames_cleanpass_webp/; frames_finalpass likewise
                TRAIN/A/0000/left/0006.png ... 0015.png       or .webp; TRAIN and TEST, A to C, left and right
            optical_flow/
                TRAIN/A/0000/into_future/left/OpticalFlowIntoFuture_0006_L.pfm ... 0015_L.pfm
                TRAIN/A/0000/into_past/left/OpticalFlowIntoPast_0006_L.pfm ... 0015_L.pfm

    A scene of N frames counts N-1 pairs for each camera and direction: into the future frames k and k+1 with
    flow k, into the past frames k+1 and k with flow k+1. The last flow into the future and the first into the
    past have no second frame. The left camera in both directions makes 40 302 training pairs in each pass, as
    RAFT counts them, and 7 866 test pairs.

    Args:
        root: Folder of the data set.
        render_pass: "clean", or "final" with blur.
        split: "train" or "test".
        cameras: "left", "right" or both.
        directions: "future", "past" or both.
        allow_missing: Leave out pairs with missing files in place of raising.

    Raises:
        InputError: The root is not FlyingThings3D, or the split is not there.
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
        frames = (f"frames_{render_pass}pass", f"frames_{render_pass}pass_webp")
        layout = Layout("FlyingThings3D", ("FlyingThings3D",), ("|".join(frames), "optical_flow"))
        folder, part, tree = layout.find(Path(root)), split.upper(), FileTree()
        images, flows = first_folder(folder, frames) / part, folder / "optical_flow" / part
        if not (images.is_dir() or flows.is_dir()):
            raise InputError(
                f"{folder} holds no {part} part of FlyingThings3D: looked for {images} and {flows}"
            )
        pairs = (
            pair
            for scene in _scenes(images, flows, tree)
            for camera in cameras
            for direction in directions
            for pair in _pairs(images / scene / camera, flows / scene, direction, tree)
        )
        super().__init__(
            f"FlyingThings3D {render_pass} {split}", Path(root), pairs, tree, allow_missing=allow_missing
        )


def _scenes(images: Path, flows: Path, tree: FileTree) -> list[str]:
    """Scenes, such as "A/0000", that have frames or flow."""
    return sorted(
        {
            f"{letter}/{scene}"
            for part in (images, flows)
            for letter in tree.folders(part)
            for scene in tree.folders(part / letter)
        }
    )


def _pairs(images: Path, flows: Path, direction: str, tree: FileTree) -> Iterator[PairFiles]:
    """The pairs of one camera (folder `images`) and direction of a scene (folder `flows`)."""
    camera = images.name
    folder = flows / f"into_{direction}" / camera
    stem, end = f"OpticalFlowInto{direction.capitalize()}", f"{camera[0].upper()}.pfm"
    found = tree.matches(images, r"(\d{4})\.(png|webp)")
    suffix = found[0][2] if found else "png"
    numbers = {int(match[1]) for match in found} | tree.numbers(folder, rf"{stem}_(\d{{4}})_{end}")
    name = f"things/{'/'.join(images.parts[-5:])}/{direction}"
    for k in span(numbers):
        first, second = ordered(k, direction)
        yield PairFiles(
            name=f"{name}/{first:04d}",
            frame1=images / f"{first:04d}.{suffix}",
            frame2=images / f"{second:04d}.{suffix}",
            flow=folder / f"{stem}_{first:04d}_{end}",
        )
