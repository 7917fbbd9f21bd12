"""Where the flow of each clip goes: at the clip's own place, and nowhere twice."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
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
    one gets eight digits of its path's SHA-256, and so does a name that would be too long. A clip that has a
    row keeps its place.

    Args:
        clips: The clips.
        rows: What the manifest says of clips so far, by their paths.
        folder: The manifest's folder.
        choices: What their flow is kept as.
    """
    owners = {row.name: row.path for row in rows.values()}
    tasks = []
    for clip in clips:
        known = rows.get(clip.path)
        name = clip.name if known is None else known.name
        if owners.setdefault(name, clip.path) != clip.path:
            name = _with_digits(clip)
            owners[name] = clip.path
        rgb_file = None if choices.rgb_max_flow is None else _with_tail(clip, name, _RGB)
        file = _with_tail(clip, name, f".{choices.format}")
        tasks.append(Task(clip.path, name, str(folder.resolve()), file, rgb_file))
    return tasks


def _with_digits(clip: Clip) -> str:
    path = Path(clip.name)
    return str(path.with_name(fitting_name(path.stem, f"~{_digits(clip)}{path.suffix}")))


def _with_tail(clip: Clip, name: str, tail: str) -> str:
    """A name and what follows it, cut and with digits where it would be too long."""
    path = Path(name)
    if len(os.fsencode(path.name + tail)) <= MOST_BYTES:
        return f"{name}{tail}"
    return str(path.with_name(fitting_name(path.name, f"~{_digits(clip)}{tail}")))


def _digits(clip: Clip) -> str:
    return hashlib.sha256(os.fsencode(clip.path)).hexdigest()[:8]
