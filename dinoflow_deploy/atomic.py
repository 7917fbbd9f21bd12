"""Files and folders that appear whole or not at all: written beside the target, then renamed."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dinoflow_deploy.errors import InputError


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Give a temporary path in the target's folder; rename it to ``target`` when the block succeeds.

    The temporary file keeps the target's suffix, since writers choose their format by it, and is removed
    when the block raises.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{target.stem}.", suffix=f".partial{target.suffix}", dir=target.parent
    )
    os.close(handle)
    partial = Path(name)
    try:
        with _naming(target):
            yield partial
            _sync(partial)
        # mkstemp makes files private; give the usual permissions instead.
        partial.chmod(0o666 & ~_umask())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(
    target: Path, *, overwrite: bool, check_old: Callable[[Path], None] = lambda _: None
) -> Iterator[Path]:
    """Give a temporary folder beside the target; rename it to ``target`` when the block succeeds.

    Args:
        target: The folder to create.
        overwrite: Replace an existing folder. The old one is kept until the new one is complete.
        check_old: Raises for a folder that must not be replaced. Asked before the block and, since that may
            take hours, again at the end.

    Raises:
        InputError: ``target`` cannot be created or replaced (:func:`check_folder`), or something appeared
            there meanwhile, which is kept.
    """
    check_folder(target, overwrite=overwrite)
    check_old(target)
    named = target
    # Where a link leads, so that the folder is replaced and the link stays.
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        with _naming(target):
            yield partial
            for file in partial.rglob("*"):
                if file.is_file():
                    _sync(file)
        partial.chmod(0o777 & ~_umask())
        check_old(named)
        _place(partial, target, overwrite)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def check_folder(target: Path, *, overwrite: bool) -> None:
    """Refuse what :func:`atomic_folder` could not create or replace at the end.

    Raises:
        InputError: ``target`` is not a folder, or a link to itself; or it is not empty and ``overwrite`` is
            false; or it is a mount point, or the current folder or one above it; or this user may not write
            there.
    """
    _check_link(target)
    if target.exists() and not target.is_dir():
        raise InputError(f"{target} exists and is not a folder: choose another output path")
    if target.is_dir() and any(target.iterdir()) and not overwrite:
        raise InputError(
            f"{target} exists and is not empty: pass --overwrite to replace it, or choose another folder"
        )
    if target.resolve().is_mount():
        raise InputError(f"{target} is a mount point, which cannot be replaced: choose a folder inside it")
    if Path.cwd().is_relative_to(target.resolve()):
        raise InputError(
            f"{target} is the current folder or holds it, and cannot be replaced: choose a folder inside it"
        )
    check_writable(target)


def check_writable(target: Path) -> None:
    """Refuse a file or folder that this user could not make at the end.

    Raises:
        InputError: ``target`` is a link to itself; or the nearest folder above it that exists is a file, or
            not to be written in.
    """
    _check_link(target)
    above = next(path for path in target.resolve().parents if path.exists())
    if not above.is_dir():
        raise InputError(f"{target} cannot be made: {above} is not a folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{target} cannot be made: you may not write in {above}; choose another folder")


def _check_link(target: Path) -> None:
    try:
        target.resolve()
    except (OSError, RuntimeError) as error:  # which one depends on Python's version
        raise InputError(f"{target} cannot be made: it is a link that leads to itself") from error


@contextmanager
def _naming(target: Path) -> Iterator[None]:
    """Say what a full disk has no room for, which the system's own error leaves out."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"{target} cannot be written: {error.strerror}; make room, or choose another folder"
        ) from error


def _place(new: Path, target: Path, overwrite: bool) -> None:
    try:
        if overwrite and target.exists():
            _swap(new, target)
        else:
            # Also onto an empty folder, never onto one with content.
            new.replace(target)
    except OSError as error:
        raise InputError(
            f"{target} cannot be put in place: {error.strerror}; choose another folder"
        ) from error


def _swap(new: Path, target: Path) -> None:
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
    old = aside / target.name
    try:
        target.replace(old)
        new.replace(target)
    except BaseException:
        if old.exists() and new.exists():
            old.replace(target)
        shutil.rmtree(aside)
        raise
    shutil.rmtree(aside)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
