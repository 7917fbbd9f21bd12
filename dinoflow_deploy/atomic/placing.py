"""What is made under a temporary name comes to its own, and is never lost once it is complete."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from dinoflow_deploy.atomic.names import fitting_name, stem_and_suffix
from dinoflow_deploy.errors import InputError, OutputElsewhereError
from dinoflow_deploy.system.system_errors import NO_SPACE

_TAKEN: Final = (errno.EEXIST, errno.ENOTEMPTY)


@contextmanager
def full_disk_named(target: Path) -> Iterator[None]:
    """Say what a full disk has no room for, which the system's own error leaves out."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise InputError(
            f"{target} cannot be written: {error.strerror}; make room, or choose another folder"
        ) from error


@contextmanager
def held_back(elsewhere: list[OutputElsewhereError]) -> Iterator[None]:
    """Keep for later that another output of the same block has another name: this one is complete too."""
    try:
        yield
    except OutputElsewhereError as error:
        elsewhere.append(error)


def raise_held_back(elsewhere: list[OutputElsewhereError]) -> None:
    """Raise what was held back, as one error."""
    if elsewhere:
        raise OutputElsewhereError("; ".join(map(str, elsewhere)), elsewhere[0].kept)


def place(made: Path, target: Path, put: Callable[[], None], elsewhere: list[OutputElsewhereError]) -> None:
    """Put what is complete where it is to be, or else beside it under a free name.

    Args:
        made: The file or folder, complete.
        target: Its place as the user named it.
        put: Moves it there, or raises.
        elsewhere: Gets the error where it has another name now.
    """
    try:
        put()
    except (OSError, InputError) as error:
        if not made.exists():  # it is in place, and what followed failed
            raise
        kept = _put_beside(made, target.resolve())
        elsewhere.append(OutputElsewhereError(f"{_reason(target, error)}; what was made is {kept}", kept))


def put_new(made: Path, target: Path) -> None:
    """Move a file or folder to a name that nothing has, without a moment between looking and moving.

    Raises:
        FileExistsError: Something has the name.
        OSError: It cannot be moved there.
    """
    if made.is_dir():
        target.mkdir()
        made.replace(target)
        return
    try:
        target.hardlink_to(made)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: the name is reserved with an empty file
        target.touch(exist_ok=False)
        made.replace(target)
    else:
        made.unlink()


def keep_permissions(made: Path, replaced: Path | None, usual: int) -> None:
    """Give the permissions, and where this user may the owner, of what is replaced; or those of anything new.

    Args:
        made: What is new, private so far, as temporary files are.
        replaced: What is replaced, where it is there.
        usual: Permissions of a new one before the user's mask.
    """
    try:
        old = replaced.stat() if replaced is not None else None
    except FileNotFoundError:
        old = None
    if old is None:
        made.chmod(usual & ~_umask())
        return
    new = made.stat()
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        _try_to_give(made, old)
    made.chmod(stat.S_IMODE(old.st_mode) & 0o777)


def sync(path: Path) -> None:
    """Have a file's content on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _put_beside(made: Path, target: Path) -> Path:
    stem, suffix = (target.name, "") if made.is_dir() else stem_and_suffix(target)
    for number in count(2):
        free = target.with_name(fitting_name(stem, f"-{number}{suffix}"))
        try:
            put_new(made, free)
        except FileExistsError:
            continue
        except OSError:
            break
        return free
    return made


def _reason(target: Path, error: OSError | InputError) -> str:
    if not isinstance(error, OSError):
        return str(error)
    if error.errno in _TAKEN:
        return f"{target} was made by something else meanwhile, and is kept"
    return f"{target} cannot be put in place: {error.strerror}"


def _try_to_give(made: Path, old: os.stat_result) -> None:
    try:
        os.chown(made, old.st_uid, old.st_gid)
    except PermissionError:
        return


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
