"""What the system refused, in words that say what to do."""

import errno
import tempfile
from pathlib import Path
from typing import Final

from dinoflow_deploy.errors import FileFormatError

NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)
"""Numbers of a disk that is full, or a user's share of it."""
_ADVICE: Final = {
    errno.EACCES: "choose another file or folder, or have its permissions changed (ls -ld shows them)",
    errno.EPERM: "choose another file or folder, or have its permissions changed (ls -ld shows them)",
    errno.EROFS: "choose a folder on another file system",
    errno.ENOSPC: "make room, or choose another folder",
    errno.EDQUOT: "make room, or choose another folder",
    errno.EFBIG: "choose a file system that takes larger files, or raise the limit (ulimit -f)",
    errno.EMFILE: "raise the limit (ulimit -n)",
    errno.ENFILE: "close other programs, or raise the system's limit",
    errno.ENOENT: "check the name",
    errno.EIO: "its disk or network failed: see the system's log (dmesg)",
}


def check_readable(path: Path) -> None:
    """Refuse a file that cannot be opened, for libraries that say of any such file that it does not exist.

    Raises:
        FileFormatError: It cannot be opened; says why.
    """
    try:
        path.open("rb").close()
    except OSError as error:
        raise FileFormatError(explain(error)) from error


def explain(error: OSError) -> str:
    """One line for an error of the system: the file, what was refused, and what to do.

    Args:
        error: As the system raised it; a library's own, without a number, is given as it is.
    """
    if error.errno is None or error.strerror is None:
        return str(error)
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    if not names and error.errno in NO_SPACE:
        # What writes through a descriptor leaves the name out.
        names = [f"standard output, or the folder of temporary files {tempfile.gettempdir()} (TMPDIR)"]
    where = f"{' -> '.join(names)}: " if names else ""
    advice = _ADVICE.get(error.errno)
    return f"{where}{error.strerror}{f': {advice}' if advice else ''}"
