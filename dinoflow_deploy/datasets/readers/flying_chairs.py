"""FlyingChairs (Dosovitskiy et al., ICCV 2015)."""

from collections.abc import Iterator
from pathlib import Path

from dinoflow_deploy.datasets.flow_dataset import FlowDataset, PairFiles
from dinoflow_deploy.datasets.readers.choices import check_choice
from dinoflow_deploy.datasets.readers.file_tree import FileTree, Layout
from dinoflow_deploy.errors import FileFormatError

SPLIT_FILES = ("FlyingChairs_train_val.txt", "chairs_split.txt")
SPLITS = ("train", "val", "all")

_MARKS = {"1": "train", "2": "val"}
_FALLBACK = 36  # about the share of the published validation part, 640 of 22872
_LAYOUT = Layout("FlyingChairs", ("FlyingChairs_release", "FlyingChairs"), ("data",))


class FlyingChairs(FlowDataset):
    """FlyingChairs, 384x512, 22 872 pairs: 22 232 for training and 640 for validation.

    Layout::

        root/                       or root/FlyingChairs_release/, root/FlyingChairs/
            data/00001_img1.ppm, 00001_img2.ppm, 00001_flow.flo ... 22872_flow.flo
            FlyingChairs_train_val.txt      or chairs_split.txt; may lie in data/ too

    Each number counts one pair. Line n of the split file, which comes apart from the archive, says where
    pair n belongs: 1 for training, 2 for validation. Without one, every 36th pair is for validation, which is
    **not** the published split; `notes` says so.

    Args:
        root: Folder of the data set.
        split: "train", "val" or "all".
        allow_missing: Leave out pairs with missing files in place of raising.

    Raises:
        InputError: The root is not FlyingChairs.
        FileFormatError: Files are missing, among them any that the split file speaks of, or the split file is
            damaged or shorter than the data set.
    """

    def __init__(self, root: str | Path, *, split: str = "train", allow_missing: bool = False) -> None:
        check_choice("split", split, SPLITS)
        folder, tree = _LAYOUT.find(Path(root)), FileTree()
        numbers = tree.numbers(folder / "data", r"(\d{5})_(?:img1\.ppm|img2\.ppm|flow\.flo)")
        split_file = _split_file(folder)
        parts = _fallback(numbers) if split_file is None else _read_split(split_file, numbers)
        chosen = [number for number, part in sorted(parts.items()) if split in (part, "all")]
        notes = () if split_file is not None else (_fallback_note(chosen, split),)
        super().__init__(
            f"FlyingChairs {split}",
            Path(root),
            _pairs(folder / "data", chosen),
            tree,
            allow_missing=allow_missing,
            notes=notes,
        )


def _pairs(folder: Path, numbers: list[int]) -> Iterator[PairFiles]:
    for number in numbers:
        stem = f"{number:05d}"
        yield PairFiles(
            name=f"flyingchairs/{stem}",
            frame1=folder / f"{stem}_img1.ppm",
            frame2=folder / f"{stem}_img2.ppm",
            flow=folder / f"{stem}_flow.flo",
        )


def _split_file(folder: Path) -> Path | None:
    places = [place / name for place in (folder, folder / "data") for name in SPLIT_FILES]
    return next((path for path in places if path.is_file()), None)


def _read_split(path: Path, numbers: set[int]) -> dict[int, str]:
    """The part of each pair that the file speaks of."""
    lines = path.read_text(encoding="ascii", errors="replace").split()
    for place, mark in enumerate(lines, start=1):
        if mark not in _MARKS:
            raise FileFormatError(f"{path}: line {place} is {mark!r}; each is 1 (training) or 2 (validation)")
    if numbers and max(numbers) > len(lines):
        raise FileFormatError(
            f"{path} has {len(lines)} lines but the data set goes up to pair {max(numbers):05d}: "
            "it belongs to another data set, or is cut off"
        )
    return {number: _MARKS[mark] for number, mark in enumerate(lines, start=1)}


def _fallback(numbers: set[int]) -> dict[int, str]:
    return {number: "train" if number % _FALLBACK else "val" for number in numbers}


def _fallback_note(chosen: list[int], split: str) -> str:
    return (
        f"no split file ({' or '.join(SPLIT_FILES)}): every {_FALLBACK}th pair is taken for validation, "
        f"which is not the published split; {split} has {len(chosen)} pairs"
    )
