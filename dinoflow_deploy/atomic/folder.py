"""Folders that appear whole or not at all: written beside the target, then renamed."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dinoflow_deploy.atomic.checks import check_folder
from dinoflow_deploy.atomic.placing import (
    full_disk_named,
    held_back,
    keep_permissions,
    place,
    raise_held_back,
    sync,
)
from dinoflow_deploy.errors import OutputElsewhereError


@contextmanager
def atomic_folder(
    target: Path, *, overwrite: bool, check_old: Callable[[Path], None] = lambda _: None
) -> Iterator[Path]:
    """Give a temporary folder beside the target; rename it to ``target`` when the block succeeds.

    Args:
        target: The folder to create.
        overwrite: Replace an existing folder. The old one is kept until the new one is complete.
        check_old: Raises ``InputError`` for a folder that must not be replaced. Asked before the block and,
            since that may take hours, again at the end.

    Raises:
        InputError: ``target`` cannot be created or replaced (``check_folder``).
        OutputElsewhereError: The folder is complete and could not be put in place, most often since something
            has its name by now, which is kept: it lies beside it. Also raised, with this folder in place,
            where the block raises it for another output.
    """
    check_folder(target, overwrite=overwrite)
    check_old(target)
    # Where a link leads, so that the folder is replaced and the link stays.
    real = target.resolve()
    real.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".", suffix=".partial", dir=real.parent))
    elsewhere: list[OutputElsewhereError] = []

    def put() -> None:
        check_old(target)
        _put(partial, real, overwrite=overwrite)

    try:
        with full_disk_named(target):
            with held_back(elsewhere):
                yield partial
            for file in partial.rglob("*"):
                if file.is_file():
                    sync(file)
        keep_permissions(partial, real if overwrite else None, 0o777)
        place(partial, target, put, elsewhere)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    raise_held_back(elsewhere)


def _put(new: Path, real: Path, *, overwrite: bool) -> None:
    if overwrite and real.exists():
        _swap(new, real)
    else:
        # Also onto an empty folder, never onto one with content.
        new.replace(real)


def _swap(new: Path, real: Path) -> None:
    aside = Path(tempfile.mkdtemp(prefix=".", suffix=".old", dir=real.parent))
    old = aside / "old"
    try:
        real.replace(old)
        new.replace(real)
    except BaseException:
        if old.exists() and new.exists():
            old.replace(real)
        shutil.rmtree(aside)
        raise
    shutil.rmtree(aside)
