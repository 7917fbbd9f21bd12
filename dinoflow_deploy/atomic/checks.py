"""What is refused before the work: outputs that exist, are read by the same run, or cannot be written."""

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dinoflow_deploy.atomic.names import MOST_BYTES
from dinoflow_deploy.atomic.special import check_special, is_special
from dinoflow_deploy.errors import InputError


def check_file(target: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Refuse a file that could not be written at the end of long work.

    Pipes, devices and open descriptors (``/dev/stdout``) are written to and not replaced: they need no
    ``overwrite``.

    Args:
        target: The file.
        overwrite: Whether one that exists may be replaced.
        inputs: Files and folders that the work reads. Neither they, by whatever link, nor what is in the
            folders is replaced.

    Raises:
        InputError: It exists and may not be replaced, is an input, is no file, has too long a name, is a link
            to itself, or this user may not write there.
    """
    _check_path(target)
    if target.is_dir():
        raise InputError(f"{target} is a folder: give a file name")
    if target.exists():
        _check_no_input(target, inputs)
    if is_special(target):
        check_special(target)
        return
    if target.exists() and not target.is_file():
        raise InputError(f"{target} is neither a file nor a pipe: choose another output path")
    if target.exists() and not overwrite:
        raise InputError(f"{target} exists: pass --overwrite to replace it, or give another name")
    check_writable(target)


def check_folder(target: Path, *, overwrite: bool) -> None:
    """Refuse what ``atomic_folder`` could not create or replace at the end.

    Raises:
        InputError: ``target`` is not a folder, or a link to itself; or it is not empty and ``overwrite`` is
            false; or it is a mount point, or the current folder or one above it; or this user may not write
            there.
    """
    _check_path(target)
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
        InputError: ``target`` is a link to itself, or its name is too long; or the nearest folder above it
            that exists is a file, or not to be written in.
    """
    _check_path(target)
    above = next(path for path in target.resolve().parents if path.exists())
    if not above.is_dir():
        raise InputError(f"{target} cannot be made: {above} is not a folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{target} cannot be made: you may not write in {above}; choose another folder")


def _check_path(target: Path) -> None:
    try:
        target.resolve()
    except (OSError, RuntimeError) as error:  # which one depends on Python's version
        raise InputError(f"{target} cannot be made: it is a link that leads to itself") from error
    try:
        target.lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            longest = max(len(os.fsencode(part)) for part in target.parts)
            raise InputError(
                f"{target} cannot be made: a name of {longest} bytes is too long, file systems take "
                f"{MOST_BYTES}; choose a shorter one"
            ) from error


def _check_no_input(target: Path, inputs: Iterable[Path]) -> None:
    found = target.stat()
    for path in inputs:
        if path.is_dir() and _holds(path, found):
            raise InputError(f"{target} lies in {path}, which is an input: give the output another name")
        if path.exists() and os.path.samestat(path.stat(), found):
            raise InputError(f"{target} is an input: give the output another name")


def _holds(folder: Path, wanted: os.stat_result) -> bool:
    """Whether a file lies anywhere beneath a folder, behind whatever links."""
    seen: set[tuple[int, int]] = set()
    waiting: list[str | os.DirEntry[str]] = [str(folder)]
    while waiting:
        here = waiting.pop()
        # What cannot be listed, or has gone, is not read either.
        with suppress(OSError):
            status = os.stat(here)  # noqa: PTH116 - an entry of a listing
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(here) as entries:
                for entry in entries:
                    if _is_folder(entry):
                        waiting.append(entry)
                    elif _is_same(entry, wanted):
                        return True
    return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_same(entry: os.DirEntry[str], wanted: os.stat_result) -> bool:
    # The listing has the inode of all but links: a data set of 100 000 files is not asked one by one.
    if not entry.is_symlink() and entry.inode() != wanted.st_ino:
        return False
    try:
        return os.path.samestat(entry.stat(), wanted)
    except OSError:  # a dangling link
        return False
