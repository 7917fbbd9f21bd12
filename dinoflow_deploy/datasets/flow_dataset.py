"""Frame pairs in files: which files make a pair, and how they are read."""

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dinoflow_deploy.datasets.frames import check_sizes, read_frames, read_mask
from dinoflow_deploy.datasets.readers.file_tree import FileTree
from dinoflow_deploy.datasets.sample import FlowSample
from dinoflow_deploy.datasets.scenes.synthetic_folder import is_synthetic
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.flow import read_flow

_NAMED = 5


@dataclass(frozen=True, slots=True)
class PairFiles:
    """The files of one sample.

    Attributes:
        name: What identifies the sample, such as "sintel-clean/alley_1/frame_0001".
        frame1: Image of the first frame.
        frame2: Image of the second frame.
        flow: Flow from the first frame to the second.
        occluded: Mask of the pixels of frame 1 that are hidden or outside in frame 2, where there is one.
        invalid: Mask of the pixels without truth, where there is one.
        flow_noc: The same flow at the pixels that are not occluded alone, where there is one (KITTI).
    """

    name: str
    frame1: Path
    frame2: Path
    flow: Path
    occluded: Path | None = None
    invalid: Path | None = None
    flow_noc: Path | None = None

    def files(self) -> Iterator[Path]:
        """All of them."""
        yield from (self.frame1, self.frame2, self.flow)
        yield from (path for path in (self.occluded, self.invalid, self.flow_noc) if path is not None)


class FlowDataset:
    """A sequence of samples that are read from files when asked for.

    Nothing is swallowed: a file that is missing is an error when the data set is opened, one that is damaged
    or of another size than its neighbours when its sample is read.

    Args:
        title: Name of the data set, for messages.
        root: Folder that the user passed, for messages.
        expected: The pairs that the data set should hold, some of their files perhaps missing.
        tree: Listings that tell which files are there.
        allow_missing: Leave out pairs with missing files in place of raising.
        notes: What the user should know about how the data set was read.

    Attributes:
        pairs: The files of each sample.
        missing: Files that should be there and are not, which `allow_missing` let pass.
        notes: As passed.
        synthetic: Whether any of it was written by `write_synthetic_tree` and is not what its name says.

    Raises:
        FileFormatError: Files are missing, and `allow_missing` is false; names the first of them.
        InputError: There is no pair at all.
    """

    def __init__(
        self,
        title: str,
        root: Path,
        expected: Iterable[PairFiles],
        tree: FileTree,
        *,
        allow_missing: bool,
        notes: tuple[str, ...] = (),
    ) -> None:
        pairs: list[PairFiles] = []
        # A dictionary keeps the order and each file once.
        missing: dict[Path, None] = {}
        left_out = 0
        for pair in expected:
            absent = [path for path in pair.files() if path not in tree]
            missing |= dict.fromkeys(absent)
            left_out += bool(absent)
            if not absent:
                pairs.append(pair)
        if missing and not (allow_missing and pairs):
            raise FileFormatError(_missing_text(title, list(missing), left_out, len(pairs)))
        if not pairs:
            raise InputError(f"{root} holds the folders of {title}, but no frame pair with flow in them")
        self.title = title
        self.pairs = tuple(pairs)
        self.missing = tuple(missing)
        self.notes = notes
        self.synthetic = is_synthetic(pair.frame1 for pair in pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[FlowSample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> FlowSample:
        """Read one sample; a negative index counts from the end.

        Raises:
            FileFormatError: A file is damaged; names it.
            SizeMismatchError: Two of the sample's files have different sizes; names both.
            IndexError: The index is outside the sequence.
        """
        return self.read(self.pairs[operator.index(index)])

    def read(self, pair: PairFiles) -> FlowSample:
        """Read the files of one sample.

        Raises:
            FileFormatError: As for an index.
        """
        frame1, frame2 = read_frames(pair.frame1, pair.frame2)
        flow, valid = read_flow(pair.flow)
        arrays: dict[Path, NDArray[Any]] = {pair.frame1: frame1, pair.frame2: frame2, pair.flow: flow}
        masks = [path for path in (pair.occluded, pair.invalid) if path is not None]
        arrays |= {path: read_mask(path) for path in masks}
        if pair.flow_noc is not None:
            arrays[pair.flow_noc] = read_flow(pair.flow_noc)[1]
        check_sizes(arrays)
        occluded = None if pair.occluded is None else arrays[pair.occluded]
        if pair.flow_noc is not None:
            occluded = valid & ~arrays[pair.flow_noc]
        if pair.invalid is not None:
            valid &= ~arrays[pair.invalid]
            flow[~valid] = 0
        return FlowSample(frame1, frame2, flow, valid, occluded, pair.name)


def _missing_text(title: str, missing: list[Path], left_out: int, left: int) -> str:
    named = ", ".join(map(str, missing[:_NAMED])) + (", ..." if len(missing) > _NAMED else "")
    count = "1 file is" if len(missing) == 1 else f"{len(missing)} files are"
    advice = (
        f"restore them, or leave out the pairs that need them, {left_out} of {left_out + left}, with "
        "allow_missing, or --allow-missing of bench and data check"
        if left
        else "no pair is complete"
    )
    return f"{title}: {count} missing: {named}; {advice}"


def spread_evenly(length: int, limit: int | None) -> Sequence[int]:
    """Indices from 0 to ``length``, all or ``limit`` of them at equal distances."""
    if limit is None or limit >= length:
        return range(length)
    return [place * length // limit for place in range(limit)]
