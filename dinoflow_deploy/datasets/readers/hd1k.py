"""HD1K (Kondermann et al., CVPR Workshops 2016; http://hci-benchmark.iwr.uni-heidelberg.de)."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from dinoflow_deploy.datasets.flow_dataset import FlowDataset, PairFiles
from dinoflow_deploy.datasets.readers.file_tree import FileTree, Layout, span

_NAME = r"(\d{6})_(\d{4})\.png"


class Hd1k(FlowDataset):
    """The training part of HD1K, 1080x2560, 36 sequences, 1047 pairs.

    Layout::

        root/                       or root/hd1k/, root/HD1k/
            hd1k_input/image_2/000000_0000.png ... SSSSSS_FFFF.png        sequence and frame
            hd1k_flow_gt/flow_occ/000000_0000.png ...

    A sequence of N frames counts N-1 pairs: frames k and k+1 with flow k. A flow of its last frame has no
    second frame and is not used. Truth is sparse. Some frames are grey: three equal channels.

    Args:
        root: Folder of the data set.
        allow_missing: Leave out pairs with missing files in place of raising.

    Raises:
        InputError: The root is not HD1K.
        FileFormatError: Files are missing.
    """

    def __init__(self, root: str | Path, *, allow_missing: bool = False) -> None:
        layout = Layout("HD1K", ("hd1k", "HD1k"), ("hd1k_input/image_2", "hd1k_flow_gt/flow_occ"))
        tree = FileTree()
        pairs = _pairs(layout.find(Path(root)), tree)
        super().__init__("HD1K", Path(root), pairs, tree, allow_missing=allow_missing)


def _pairs(folder: Path, tree: FileTree) -> Iterator[PairFiles]:
    images, flows = folder / "hd1k_input/image_2", folder / "hd1k_flow_gt/flow_occ"
    numbers: dict[str, set[int]] = defaultdict(set)
    for match in (*tree.matches(images, _NAME), *tree.matches(flows, _NAME)):
        numbers[match[1]].add(int(match[2]))
    for sequence in sorted(numbers):
        for k in span(numbers[sequence]):
            first = f"{sequence}_{k:04d}"
            yield PairFiles(
                name=f"hd1k/{first}",
                frame1=images / f"{first}.png",
                frame2=images / f"{sequence}_{k + 1:04d}.png",
                flow=flows / f"{first}.png",
            )
