"""Files that appear whole or not at all: written beside the target, then renamed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinoflow_deploy.atomic.checks import check_file
from dinoflow_deploy.atomic.names import stem_and_suffix
from dinoflow_deploy.atomic.placing import (
    full_disk_named,
    held_back,
    keep_permissions,
    place,
    put_new,
    raise_held_back,
    sync,
)
from dinoflow_deploy.atomic.special import is_special, open_special
from dinoflow_deploy.errors import OutputElsewhereError


@contextmanager
def atomic_file(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary path in the target's folder; rename it to ``target`` when the block succeeds.

    The temporary file keeps the target's suffix, since writers choose their format by it, and is removed
    when the block raises. A link stays, and what it leads to is replaced, with the permissions that it had. A
    pipe, a device or an open descriptor is never replaced: what the block made is copied into it.

    Args:
        target: The file; missing folders are made.
        overwrite: Whether one that is there by the end of the block is replaced. Where it is not to be, ask
            ``check_file`` before the work.

    Raises:
        InputError: No file can be written there (``check_file``), or the disk is full.
        OutputElsewhereError: The file is complete and could not be put in place, most often since something
            has its name by now, which is kept: it lies beside it. Also raised, with this file in place, where
            the block raises it for another output.
    """
    check_file(target, overwrite=True)
    elsewhere: list[OutputElsewhereError] = []
    if is_special(target):
        with _copied_into(target) as partial, held_back(elsewhere):
            yield partial
        raise_held_back(elsewhere)
        return
    # Where a link leads, so that the file is replaced and the link stays.
    real = target.resolve()
    real.parent.mkdir(parents=True, exist_ok=True)
    partial = _temporary(real)
    try:
        with full_disk_named(target):
            with held_back(elsewhere):
                yield partial
            sync(partial)
        keep_permissions(partial, real if overwrite else None, 0o666)
        place(partial, target, lambda: _put(partial, real, overwrite=overwrite), elsewhere)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    raise_held_back(elsewhere)


def _temporary(real: Path) -> Path:
    # Short, whatever the target's name: where that fits, so does this.
    handle, name = tempfile.mkstemp(prefix=".", suffix=f".partial{stem_and_suffix(real)[1]}", dir=real.parent)
    os.close(handle)
    return Path(name)


def _put(partial: Path, real: Path, *, overwrite: bool) -> None:
    if overwrite and (real.is_file() or not os.path.lexists(real)):
        partial.replace(real)
    else:
        put_new(partial, real)


@contextmanager
def _copied_into(target: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder, full_disk_named(target):
        partial = Path(folder, f"made{stem_and_suffix(target)[1]}")
        yield partial
        with partial.open("rb") as made, open_special(target) as special:
            shutil.copyfileobj(made, special)
