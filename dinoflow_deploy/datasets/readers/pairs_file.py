"""A user's own data: a table of pairs."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from dinoflow_deploy.datasets.flow_dataset import FlowDataset, PairFiles
from dinoflow_deploy.datasets.readers.file_tree import FileTree
from dinoflow_deploy.errors import FileFormatError, InputError

FILE_NAME = "pairs.csv"
COLUMNS = ("frame1", "frame2", "flow")
OPTIONAL_COLUMNS = ("occluded", "name")


class PairsFile(FlowDataset):
    """Pairs listed in a table, UTF-8 with commas.

    Layout::

        frame1,frame2,flow,occluded,name
        images/000.png,images/001.png,flow/000.flo,masks/000.png,street

    Each line below the header counts one pair. Paths are absolute or start from the table's folder. Frames
    are any images that OpenCV reads; flow is `.flo`, 16-bit `.png` (KITTI), `.pfm`, `.flo5` or `.npy`. The
    columns `occluded` (an image, not black where a pixel of frame 1 is hidden in frame 2) and `name` may be
    left out, or empty for single pairs.

    Args:
        root: The table, or the folder that holds it as `pairs.csv`.
        allow_missing: Leave out pairs with missing files in place of raising.

    Raises:
        InputError: There is no table, or no pair in it.
        FileFormatError: The table is malformed (names the line), or files are missing.
    """

    def __init__(self, root: str | Path, *, allow_missing: bool = False) -> None:
        table = Path(root) / FILE_NAME if Path(root).is_dir() else Path(root)
        if not table.is_file():
            raise InputError(f"no table of pairs {table}: pass a .csv file, or a folder with a {FILE_NAME}")
        super().__init__(str(table), table, _pairs(table), FileTree(), allow_missing=allow_missing)


def _pairs(table: Path) -> Iterator[PairFiles]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, strict=True)
        try:
            _check_header(table, rows.fieldnames or ())
            for row in rows:
                yield _pair(table, rows.line_num, row)
        except (csv.Error, UnicodeDecodeError) as error:
            raise FileFormatError(
                f"{table}, after line {rows.line_num}: no table of pairs: {error}"
            ) from None


def _check_header(table: Path, names: Sequence[str]) -> None:
    if (
        set(names) - {*COLUMNS, *OPTIONAL_COLUMNS}
        or set(COLUMNS) - set(names)
        or len(set(names)) < len(names)
    ):
        raise FileFormatError(
            f"{table} has the columns {', '.join(names) or '(none)'}: its first line must name "
            f"{', '.join(COLUMNS)} and may name {', '.join(OPTIONAL_COLUMNS)}"
        )


def _pair(table: Path, line: int, row: dict[str, str]) -> PairFiles:
    if None in row or None in row.values() or not all(row[column] for column in COLUMNS):
        raise FileFormatError(
            f"{table}, line {line}: {', '.join(COLUMNS)} must all be given, and no more fields"
        )
    frame1, frame2, flow = (table.parent / row[column] for column in COLUMNS)
    occluded = row.get("occluded")
    return PairFiles(
        name=row.get("name") or f"{table.stem}/line={line}",
        frame1=frame1,
        frame2=frame2,
        flow=flow,
        occluded=table.parent / occluded if occluded else None,
    )
