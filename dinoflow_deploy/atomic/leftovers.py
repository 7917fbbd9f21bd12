"""What a process left that was killed while it wrote."""

import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

_UNFINISHED: Final = re.compile(r"\.[a-z0-9_]{8}\.partial(\.\w+)?")
"""Names of temporary files and folders, as ``tempfile`` makes them."""


def remove_leftovers(folder: Path) -> None:
    """Remove unfinished files and folders from a folder into which nobody writes now.

    Args:
        folder: The folder; it may be missing, or no folder.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in folder.iterdir():
            if not _UNFINISHED.fullmatch(path.name):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
