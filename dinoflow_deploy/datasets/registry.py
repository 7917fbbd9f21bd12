"""Data sets by name."""

import difflib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dinoflow_deploy.datasets.flow_dataset import FlowDataset
from dinoflow_deploy.datasets.readers.flying_chairs import FlyingChairs
from dinoflow_deploy.datasets.readers.flying_things import FlyingThings
from dinoflow_deploy.datasets.readers.flying_things_subset import FlyingThingsSubset
from dinoflow_deploy.datasets.readers.hd1k import Hd1k
from dinoflow_deploy.datasets.readers.kitti import Kitti2012, Kitti2015
from dinoflow_deploy.datasets.readers.pairs_file import PairsFile
from dinoflow_deploy.datasets.readers.sintel import Sintel
from dinoflow_deploy.datasets.readers.spring import Spring
from dinoflow_deploy.errors import InputError


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a data set that is counted on its own.

    Attributes:
        name: Such as "train".
        published: How many pairs the complete data set has in it; None where that is not known.
        options: What opens it.
    """

    name: str
    published: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """How a name opens.

    Attributes:
        make: Takes the root and options.
        parts: Its parts, the one that opens by default first.
        options: Options that the name stands for.
    """

    make: Callable[..., FlowDataset]
    parts: tuple[Part, ...]
    options: dict[str, Any] = field(default_factory=dict)


def _split(name: str, published: int | None = None) -> Part:
    return Part(name, published, {"split": name})


_CHAIRS = (_split("train", 22232), _split("val", 640))
_THINGS = (_split("train", 40302), _split("test", 7866))
_SUBSET = (_split("train"), _split("val"))
_CLEAN, _FINAL = {"render_pass": "clean"}, {"render_pass": "final"}

DATASETS = {
    "sintel-clean": Entry(Sintel, (Part("training", 1041),), _CLEAN),
    "sintel-final": Entry(Sintel, (Part("training", 1041),), _FINAL),
    "kitti-2015": Entry(Kitti2015, (Part("training", 200),)),
    "kitti-2012": Entry(Kitti2012, (Part("training", 194),)),
    "flyingchairs": Entry(FlyingChairs, _CHAIRS),
    "things-clean": Entry(FlyingThings, _THINGS, _CLEAN),
    "things-final": Entry(FlyingThings, _THINGS, _FINAL),
    "things-subset-clean": Entry(FlyingThingsSubset, _SUBSET, _CLEAN),
    "things-subset-final": Entry(FlyingThingsSubset, _SUBSET, _FINAL),
    "hd1k": Entry(Hd1k, (Part("training", 1047),)),
    "spring": Entry(Spring, (Part("train", 19852),)),
    "pairs": Entry(PairsFile, (Part("all"),)),
}
"""Names and what they open."""


def find_entry(name: str) -> Entry:
    """The entry of a name.

    Raises:
        InputError: There is none; names those that are similar, and all.
    """
    if name in DATASETS:
        return DATASETS[name]
    close = difflib.get_close_matches(name.lower(), DATASETS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise InputError(f"no data set is called {name!r}: {hint}there are {', '.join(DATASETS)}")


def open_dataset(name: str, root: str | Path, **options: Any) -> FlowDataset:
    """Open a data set by name.

    Args:
        name: "sintel-clean", "sintel-final", "kitti-2015", "kitti-2012", "flyingchairs", "things-clean",
            "things-final", "things-subset-clean", "things-subset-final", "hd1k", "spring" or "pairs" (a
            table of the user's own).
        root: Folder of the data set, or one that holds it under its usual name.
        **options: Of the data set's class, such as `split`, `cameras`, `directions`, `allow_missing`.

    Returns:
        The data set; files are listed here and read when samples are asked for.

    Raises:
        InputError: No such name or option, or the root does not hold the data set.
        FileFormatError: Files are missing.
    """
    entry = find_entry(name)
    known = set(inspect.signature(entry.make).parameters) - {"root"} - set(entry.options)
    if unknown := sorted(set(options) - known):
        raise InputError(f"{name} takes no option {', '.join(unknown)}: it has {', '.join(sorted(known))}")
    return entry.make(root, **entry.options, **options)


def read_paths(name: str, root: str | Path) -> Iterator[Path]:
    """What is read of a data set and must not be written over: its root, and the files of a table.

    Args:
        name: As for `open_dataset`.
        root: As for `open_dataset`.

    Raises:
        InputError: The root holds no table of pairs.
        FileFormatError: The table is malformed.
    """
    yield Path(root)
    if name == "pairs":
        # These may lie anywhere.
        for pair in open_dataset(name, root, allow_missing=True).pairs:
            yield from pair.files()
