"""KITTI 2015 (Menze and Geiger, CVPR 2015) and 2012 (Geiger et al., CVPR 2012)."""

from collections.abc import Iterator
from pathlib import Path

from dinoflow_deploy.datasets.flow_dataset import FlowDataset, PairFiles
from dinoflow_deploy.datasets.readers.file_tree import FileTree, Layout


class _Kitti(FlowDataset):
    year: int
    images: str
    names: tuple[str, ...]

    def __init__(self, root: str | Path, *, allow_missing: bool = False) -> None:
        title = f"KITTI {self.year}"
        layout = Layout(title, self.names, (f"training/{self.images}", "training/flow_occ"))
        tree = FileTree()
        pairs = self._pairs(layout.find(Path(root)) / "training", tree)
        super().__init__(title, Path(root), pairs, tree, allow_missing=allow_missing)

    def _pairs(self, folder: Path, tree: FileTree) -> Iterator[PairFiles]:
        images = folder / self.images
        has_noc = "flow_noc" in tree.folders(folder)
        numbers = tree.numbers(images, r"(\d{6})_1[01]\.png")
        for number in sorted(numbers | tree.numbers(folder / "flow_occ", r"(\d{6})_10\.png")):
            first = f"{number:06d}_10.png"
            yield PairFiles(
                name=f"kitti-{self.year}/{number:06d}",
                frame1=images / first,
                frame2=images / f"{number:06d}_11.png",
                flow=folder / "flow_occ" / first,
                flow_noc=folder / "flow_noc" / first if has_noc else None,
            )


class Kitti2015(_Kitti):
    """The training part of KITTI 2015, about 375x1242 with sizes that vary, 200 pairs.

    Layout::

        root/                       or root/kitti-2015/, root/KITTI/, root/KittiFlow/
            training/
                image_2/000000_10.png, 000000_11.png ... 000199_11.png
                flow_occ/000000_10.png ... 000199_10.png
                flow_noc/000000_10.png ... 000199_10.png                  may be left out as a whole

    Each number counts one pair: frames _10 and _11 with the flow of _10. Truth is sparse. Where `flow_noc`
    is there, a pixel is occluded that `flow_occ` knows and `flow_noc` does not. The frames _00 to _20 of the
    multi-view extension may lie among the images.

    Args:
        root: Folder of the data set.
        allow_missing: Leave out pairs with missing files in place of raising.

    Raises:
        InputError: The root is not KITTI 2015.
        FileFormatError: Files are missing.
    """

    year = 2015
    images = "image_2"
    names = ("kitti-2015", "KITTI", "KittiFlow")


class Kitti2012(_Kitti):
    """The training part of KITTI 2012, about 375x1242 with sizes that vary, 194 pairs.

    Layout::

        root/                       or root/kitti-2012/, root/KITTI-2012/
            training/
                colored_0/000000_10.png, 000000_11.png ... 000193_11.png
                flow_occ/000000_10.png ... 000193_10.png
                flow_noc/000000_10.png ... 000193_10.png                  may be left out as a whole

    Counted and read as :class:`Kitti2015`; the frames are those of the left colour camera.

    Args:
        root: Folder of the data set.
        allow_missing: Leave out pairs with missing files in place of raising.

    Raises:
        InputError: The root is not KITTI 2012.
        FileFormatError: Files are missing.
    """

    year = 2012
    images = "colored_0"
    names = ("kitti-2012", "KITTI-2012")
