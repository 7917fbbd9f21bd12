"""What lies where in a data set: folders listed once, files matched by name."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dinoflow_deploy.errors import InputError

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class _Entries:
    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()


class FileTree:
    """Listings of the folders of a data set, each read once and kept.

    Looking a file up costs no call to the file system, which matters with a hundred thousand files on a
    network drive.
    """

    def __init__(self) -> None:
        self._listed: dict[Path, _Entries] = {}

    def __contains__(self, file: Path) -> bool:
        return file.name in self._entries(file.parent).files

    def folders(self, folder: Path) -> set[str]:
        """Names of the folders in a folder, hidden ones left out; empty where there is no such folder."""
        return {name for name in self._entries(folder).folders if not name.startswith(".")}

    def matches(self, folder: Path, pattern: str) -> list[re.Match[str]]:
        """Matches of the names of the files in a folder, each as a whole, by name."""
        compiled = re.compile(pattern)
        return [match for name in sorted(self._entries(folder).files) if (match := compiled.fullmatch(name))]

    def numbers(self, folder: Path, pattern: str) -> set[int]:
        """The numbers in the names of a folder's files: group 1 of a pattern that fits the whole name."""
        return {int(match[1]) for match in self.matches(folder, pattern)}

    def _entries(self, folder: Path) -> _Entries:
        if folder not in self._listed:
            self._listed[folder] = _list(folder)
        return self._listed[folder]


def _list(folder: Path) -> _Entries:
    files: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                (folders if entry.is_dir() else files).append(entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return _Entries()
    return _Entries(frozenset(files), frozenset(folders))


def span(numbers: set[int]) -> range:
    """From the smallest number up to, and without, the largest: the first frames of neighbouring pairs."""
    return range(min(numbers), max(numbers)) if numbers else range(0)


@dataclass(frozen=True)
class Layout:
    """How a data set is recognised.

    Attributes:
        title: Its name as people write it.
        names: Folders that it may lie in beneath the root that is passed: as its archive unpacks, or as
            RAFT and torchvision call it.
        inside: Folders that must be in it; of each item that holds several, joined by "|", one.
    """

    title: str
    names: Sequence[str]
    inside: Sequence[str]

    def find(self, root: Path) -> Path:
        """The data set's own folder: the root itself, or one of `names` in it.

        Raises:
            InputError: There is none; says what was looked for and what was found.
        """
        for folder in (root, *(root / name for name in self.names)):
            if not self._absent(folder):
                return folder
        raise InputError(
            f"{root} holds no {self.title}: looked for {self._wanted} in it and in "
            f"{', '.join(f'{name}/' for name in self.names)} beneath it; {_contents(root)}"
        )

    @cached_property
    def _wanted(self) -> str:
        return " and ".join(item.replace("|", " or ") for item in self.inside)

    def _absent(self, folder: Path) -> list[str]:
        return [item for item in self.inside if not any((folder / name).is_dir() for name in item.split("|"))]


def _contents(root: Path) -> str:
    if not root.exists():
        return "there is no such folder"
    if not root.is_dir():
        return "it is a file"
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in root.iterdir())
    if not names:
        return "it is empty"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"found {', '.join(names[:_SHOWN])}{more}"


def first_folder(root: Path, names: Sequence[str]) -> Path:
    """The first of some folders that is there; the first of all where none is."""
    return next((root / name for name in names if (root / name).is_dir()), root / names[0])
