"""MPI-Sintel (Butler et al., ECCV 2012; http://sintel.is.tue.mpg.de)."""

from collections.abc import Iterator
from pathlib import Path

from dinoflow_deploy.datasets.flow_dataset import FlowDataset, PairFiles
from dinoflow_deploy.datasets.readers.choices import check_choice
from dinoflow_deploy.datasets.readers.file_tree import FileTree, Layout, span

RENDER_PASSES = ("clean", "final")


class Sintel(FlowDataset):
    """The training part of MPI-Sintel, 436x1024, 23 scenes, 1041 pairs in each pass.

    Layout::

        root/                       or root/Sintel/, root/MPI-Sintel/
            training/
                clean/alley_1/frame_0001.png ... frame_0050.png
                final/alley_1/frame_0001.png
                flow/alley_1/frame_0001.flo ... frame_0049.flo
                occlusions/alley_1/frame_0001.png ... frame_0049.png      may be left out as a whole
                invalid/alley_1/frame_0001.png ... frame_0050.png         may be left out as a whole

    A scene of N frames counts N-1 pairs: frames k and k+1 with flow k. Pixels that `invalid` marks are not
    valid here; RAFT's published figures count them.

    Args:
        root: Folder of the data set.
        render_pass: "clean", or "final" with blur and atmosphere.
        allow_missing: Leave out pairs with missing files in place of raising.

    Raises:
        InputError: The root is not MPI-Sintel.
        FileFormatError: Files are missing.
    """

    def __init__(self, root: str | Path, *, render_pass: str = "clean", allow_missing: bool = False) -> None:
        check_choice("render_pass", render_pass, RENDER_PASSES)
        layout = Layout("MPI-Sintel", ("Sintel", "MPI-Sintel"), (f"training/{render_pass}", "training/flow"))
        tree = FileTree()
        pairs = _pairs(layout.find(Path(root)) / "training", render_pass, tree)
        super().__init__(f"MPI-Sintel {render_pass}", Path(root), pairs, tree, allow_missing=allow_missing)


def _pairs(folder: Path, render_pass: str, tree: FileTree) -> Iterator[PairFiles]:
    has_occluded, has_invalid = (name in tree.folders(folder) for name in ("occlusions", "invalid"))
    for scene in sorted(tree.folders(folder / render_pass) | tree.folders(folder / "flow")):
        frames = tree.numbers(folder / render_pass / scene, r"frame_(\d{4})\.png")
        flows = tree.numbers(folder / "flow" / scene, r"frame_(\d{4})\.flo")
        for k in span(frames | flows | {number + 1 for number in flows}):
            image = f"frame_{k:04d}.png"
            yield PairFiles(
                name=f"sintel-{render_pass}/{scene}/frame_{k:04d}",
                frame1=folder / render_pass / scene / image,
                frame2=folder / render_pass / scene / f"frame_{k + 1:04d}.png",
                flow=folder / "flow" / scene / f"frame_{k:04d}.flo",
                occluded=folder / "occlusions" / scene / image if has_occluded else None,
                invalid=folder / "invalid" / scene / image if has_invalid else None,
            )
