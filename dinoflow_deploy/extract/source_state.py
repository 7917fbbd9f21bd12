"""Whether a clip is still what it was: by size and time of change, as ``make`` and ``rsync`` tell.

Not by a hash: reading a corpus once more to find that nothing is to be done takes as long as decoding it.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.video.images import images_in


@dataclass(frozen=True, slots=True)
class SourceState:
    """What the file system says of a clip.

    Attributes:
        files: How many files it is: 1, or the images of a folder.
        bytes: Their size, all together.
        mtime_ns: When the last of them was changed, in ns.
    """

    files: int
    bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "SourceState":
        """Ask the file system.

        Raises:
            OSError: It is not there, or cannot be read.
            VideoError: It is a folder without images, or no file: a pipe would be waited for without end.
        """
        found = [_status(file) for file in (images_in(path) if path.is_dir() else [path])]
        return cls(len(found), sum(each.st_size for each in found), max(each.st_mtime_ns for each in found))


def _status(path: Path) -> os.stat_result:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise VideoError(f"{path} is no file, but a pipe, a device or a folder: extract takes files")
    return status
