"""Where the flow of each clip goes: at the clip's own place, and nowhere twice."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from dinoflow_deploy.atomic import MOST_BYTES, fitting_name
from dinoflow_deploy.extract.choices import FlowChoices
from dinoflow_deploy.extract.inputs import Clip
from dinoflow_deploy.extract.row import ClipRow
from dinoflow_deploy.extract.task import Task

_RGB: Final = ".rgb.mp4"


def placed_tasks(
    clips: Iterable[Clip], rows: Mapping[str, ClipRow], folder: Path, choices: FlowChoices
) -> list[Task]:
    """A task for each clip.

    Its flow has the clip's name, suffix included, and the format's: that of ``a/b.mp4`` is ``a/b.mp4.mkv``,
    so that ``a/b.avi`` has another. Of two clips of one name, which come from different folders, the later
    one gets eight digits of its path's SHA-256, and so does a name that would be too long, one whose flow
    would be where the folder of another's is, and a folder that would be where another's flow is. A clip that
    has a row keeps its place.

    Args:
        clips: The clips.
        rows: What the manifest says of clips so far, by their paths.
        folder: The manifest's folder.
        choices: What their flow is kept as.
    """
    clips = [*clips]
    taken = _Taken(choices, [clip.name for clip in clips])
    for row in rows.values():
        taken.add(row.path, row.name)
    tasks = []
    for clip in clips:
        known = rows.get(clip.path)
        name = taken.free_name(clip) if known is None else known.name
        file, *pictures = taken.add(clip.path, name)
        rgb_file = pictures[0] if pictures else None
        tasks.append(Task(clip.path, name, str(folder.resolve()), file, rgb_file))
    return tasks


class _Taken:
    """Names that have an owner, and where flow and its folders are.

    Args:
        choices: What flow is kept as.
        names: Of all clips: their folders are needed, whichever is placed first.
    """

    def __init__(self, choices: FlowChoices, names: Iterable[str]) -> None:
        pictures = () if choices.rgb_max_flow is None else (_RGB,)
        self._tails = (f".{choices.format}", *pictures)
        self._names: set[str] = set()
        self._files: set[str] = set()
        self._folders = {str(above) for name in names for above in PurePosixPath(name).parents}

    def add(self, path: str, name: str) -> list[str]:
        """Have a name owned by the clip of a path: where its flow goes, and its pictures."""
        files = self._files_of(path, name)
        self._names.add(name)
        self._files.update(files)
        self._folders.update(map(str, PurePosixPath(name).parents))
        return files

    def free_name(self, clip: Clip) -> str:
        """The clip's own name, or one with digits."""
        above, name = PurePosixPath(), PurePosixPath(clip.name)
        for part in name.parts[:-1]:
            above /= part
            if str(above) in self._files:
                above = _with_digits(clip, above)
        found = above / name.name
        if str(found) in self._names or not self._folders.isdisjoint(self._files_of(clip.path, str(found))):
            found = _with_digits(clip, found)
        return str(found)

    def _files_of(self, path: str, name: str) -> list[str]:
        return [_with_tail(path, name, tail) for tail in self._tails]


def _with_digits(clip: Clip, path: PurePosixPath) -> PurePosixPath:
    return path.with_name(fitting_name(path.stem, f"~{_digits(clip.path)}{path.suffix}"))


def _with_tail(path: str, name: str, tail: str) -> str:
    """A name and what follows it, cut and with digits where it would be too long."""
    place = PurePosixPath(name)
    if len(os.fsencode(place.name + tail)) <= MOST_BYTES:
        return f"{name}{tail}"
    return str(place.with_name(fitting_name(place.name, f"~{_digits(path)}{tail}")))


def _digits(path: str) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
