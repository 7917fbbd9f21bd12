"""The folder of a synthetic data set, marked as such: only what bears the mark is ever replaced."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.atomic import atomic_folder
from dinoflow_deploy.errors import InputError

MARK: Final = "synthetic.json"
"""Lies beside the data and says how it was made."""


@contextmanager
def synthetic_folder(target: Path, settings: dict[str, Any], *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary folder; make it the data set at ``target`` when the block succeeds.

    Args:
        target: The folder to create.
        settings: How the data is made, JSON values.
        overwrite: Replace a folder that was made here, as a whole.

    Raises:
        InputError: As ``check_folder``; or the folder is not of synthetic data alone, which would be lost.
    """
    with atomic_folder(target, overwrite=overwrite, check_old=_check_mark) as folder:
        yield folder
        names = sorted(path.name for path in folder.iterdir())
        (folder / MARK).write_text(json.dumps({**settings, "holds": names}, indent=2) + "\n")


def is_synthetic(files: Iterable[Path]) -> bool:
    """Whether any of these files lies in a folder that was written here."""
    folders = {folder.resolve() for folder in {path.parent for path in files}}
    marked = {above: _held(above) for above in {each for folder in folders for each in folder.parents}}
    # By name, since a real data set may have been put beside what was written here.
    return any(
        folder.relative_to(above).parts[0] in marked[above] for folder in folders for above in folder.parents
    )


def _held(folder: Path) -> list[str]:
    """What a mark says that was written into its folder; nothing where there is none."""
    try:
        held: Any = json.loads((folder / MARK).read_bytes())["holds"]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return held if isinstance(held, list) else []


def _check_mark(target: Path) -> None:
    names = {path.name for path in target.iterdir()} if target.is_dir() else set()
    if not names:
        return
    held = _held(target)
    strangers = sorted(names - {MARK, *held} if held else names)
    if strangers:
        raise InputError(
            f"{target} holds '{strangers[0]}', which data synth did not write, and is replaced as a whole: "
            "choose another folder"
        )
