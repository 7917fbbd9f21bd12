"""What is no plain file: pipes, devices and open descriptors are written to, never replaced."""

import fcntl
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO, Final

from dinoflow_deploy.errors import InputError

_DESCRIPTOR: Final = re.compile(r"/proc/(\d+)/(?:task/\d+/)?fd/(\d+)")
_MOST_LINKS: Final = 40  # as Linux follows


def descriptor_of(path: Path) -> int | None:
    """The open file of this process that a path is: 1 for ``/dev/stdout``, 63 for a shell's ``>(...)``."""
    for _ in range(_MOST_LINKS):
        path = path.parent.resolve() / path.name
        match = _DESCRIPTOR.fullmatch(str(path))
        if match:
            return int(match[2]) if int(match[1]) == os.getpid() else None
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def is_special(path: Path) -> bool:
    """Whether a path is a pipe, a character device such as ``/dev/null``, or an open file of this process."""
    if descriptor_of(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def check_special(path: Path) -> None:
    """Refuse what :func:`open_special` could not open.

    Raises:
        InputError: It is not open, or not to be written to.
    """
    number = descriptor_of(path)
    if number is None:
        if not os.access(path, os.W_OK):
            raise InputError(f"{path} cannot be written: you may not write to it")
        return
    try:
        mode = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE
    except OSError as error:
        raise InputError(f"{path} cannot be written: nothing is open there") from error
    if mode == os.O_RDONLY:
        raise InputError(f"{path} cannot be written: it is open for reading alone")


def open_special(path: Path) -> BinaryIO:
    """Open a pipe, device or descriptor for writing; a named pipe waits for its reader.

    Raises:
        OSError: It cannot be opened.
    """
    number = descriptor_of(path)
    # A descriptor is duplicated, since opening its path again would begin at the start of the file behind it.
    # Nothing is created: where a pipe has gone meanwhile, no plain file takes its name.
    opened = os.open(path, os.O_WRONLY | os.O_NOCTTY) if number is None else os.dup(number)
    return os.fdopen(opened, "wb")
