"""The folder of a synthetic data set, marked as such: only what bears the mark is ever replaced."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.atomic import atomic_folder
from dinoflow_deploy.errors import InputError

MARK: Final = "synthetic.json"
"""Lies beside the data and says how it was made; no reader of a data set looks at it."""


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


def _check_mark(target: Path) -> None:
    names = {path.name for path in target.iterdir()} if target.is_dir() else set()
    if not names:
        return
    try:
        held: Any = json.loads((target / MARK).read_bytes())["holds"]
        strangers = sorted(names - {MARK, *held})
    except (OSError, ValueError, TypeError, KeyError):
        strangers = sorted(names)
    if strangers:
        raise InputError(
            f"{target} holds '{strangers[0]}', which data synth did not write, and is replaced as a whole: "
            "choose another folder"
        )
