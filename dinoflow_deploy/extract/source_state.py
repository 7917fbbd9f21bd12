"""Whether a clip is still what it was: by size and time of change, as ``make`` and ``rsync`` tell.

Not by a hash: reading a corpus once more to find that nothing is to be done takes as long as decoding it.
"""

import os
from dataclasses import dataclass
from pathlib import Path

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
            VideoError: It is a folder without images.
        """
        found = [os.stat(file) for file in (images_in(path) if path.is_dir() else [path])]  # noqa: PTH116
        return cls(len(found), sum(each.st_size for each in found), max(each.st_mtime_ns for each in found))
