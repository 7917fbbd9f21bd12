"""From what the user named to clips, each with a place of its own."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.extract.lists import LIST_SUFFIXES, read_list
from dinoflow_deploy.extract.settings_file import SETTINGS_NAME
from dinoflow_deploy.video.images import is_image

VIDEO_SUFFIXES: Final = frozenset(
    f".{name}"
    for name in (
        *(
            "3g2",
            "3gp",
            "apng",
            "asf",
            "avi",
            "divx",
            "dv",
            "f4v",
            "flv",
            "gif",
            "m2ts",
            "m2v",
            "m4v",
            "mjpeg",
        ),
        *("mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ogm", "ogv", "qt", "ts", "vob", "webm", "wmv"),
        "y4m",
    )
)
"""What is taken for a clip within a folder, in lower case."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip.

    Attributes:
        path: Where it is: a file, or a folder of images; absolute.
        name: Its place within what was named, with ``/`` between folders.
    """

    path: str
    name: str


def find_clips(inputs: Sequence[str], output: Path) -> list[Clip]:
    """The clips that are meant, each once.

    A folder stands for all clips beneath it; a folder in it with two images or more is one too. What a list
    names may be missing, which shows when it is read.

    Args:
        inputs: Clips, folders, patterns, and lists of clips.
        output: Where flow is written: nothing beneath it is a clip.

    Raises:
        InputError: One is missing, or there is no clip.
        FileFormatError: A list is damaged.
    """
    clips: dict[str, Clip] = {}
    for text in inputs:
        if Path(text).resolve() == output.resolve():
            raise InputError(f"{text} is the output: name the folder of the clips, or another output")
        found = [*_named(text, output.resolve())]
        if not found:
            raise InputError(f"{text} holds no clip: no video, and no folder with two images or more")
        for clip in found:
            clips.setdefault(clip.path, clip)
    return [*clips.values()]


def _named(text: str, output: Path) -> Iterator[Clip]:
    path = Path(text)
    if path.is_dir():
        yield from _beneath(path, path, output)
    elif path.exists() and path.suffix.lower() in LIST_SUFFIXES:
        for entry in read_list(path):
            yield _listed(path, entry)
    elif path.exists():
        yield Clip(os.path.abspath(path), path.name)  # noqa: PTH100 - links stay as they are
    elif glob.has_magic(text):
        yield from _matching(text, output)
    else:
        raise InputError(f"{text} is missing: name clips, folders, quoted patterns, or lists of clips")


def _listed(path: Path, entry: str) -> Clip:
    """An entry: relative to the list's folder; one that lies elsewhere is placed by its whole path."""
    place = os.path.normpath(entry)
    if place.startswith("..") or Path(place).is_absolute():
        absolute = os.path.abspath(path.parent / place)  # noqa: PTH100
        return Clip(absolute, absolute.lstrip("/"))
    return Clip(os.path.abspath(path.parent / place), place)  # noqa: PTH100


def _matching(pattern: str, output: Path) -> Iterator[Clip]:
    """Clips and folders that match, placed as from where the pattern begins to be one."""
    parts = Path(pattern).parts
    fixed = Path(*parts[: next(place for place, part in enumerate(parts) if glob.has_magic(part))])
    for match in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - patterns may be absolute
        path = Path(match)
        if path.is_dir():
            yield from _beneath(path, fixed, output)
        elif path.suffix.lower() in VIDEO_SUFFIXES and not path.resolve().is_relative_to(output):
            yield _placed(path, fixed)


def _beneath(folder: Path, base: Path, output: Path) -> Iterator[Clip]:
    seen: set[tuple[int, int]] = set()
    for here, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        status = os.stat(here)  # noqa: PTH116
        # Flow of an earlier run is no clip, wherever it lies.
        is_output = Path(here).resolve() == output or SETTINGS_NAME in files
        if (status.st_dev, status.st_ino) in seen or is_output:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        visible = [Path(here, name) for name in sorted(files) if not name.startswith(".")]
        if sum(map(is_image, visible)) > 1:
            yield _placed(Path(here), base)
        yield from (_placed(path, base) for path in visible if path.suffix.lower() in VIDEO_SUFFIXES)


def _placed(path: Path, base: Path) -> Clip:
    absolute = os.path.abspath(path)  # noqa: PTH100
    # A folder of images that was named itself is called so.
    name = PurePosixPath(Path(absolute).name) if path == base else path.relative_to(base)
    return Clip(absolute, str(name))


def _raise(error: OSError) -> None:
    raise error
