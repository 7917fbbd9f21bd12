"""Where pictures go, one after the other."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import av

from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.flow.arrays import Image


class PictureSink(ABC):
    """Takes pictures of one size, RGB. Leaving it as a context manager completes what it writes.

    Attributes:
        size: Width and height of what is in the file, in pixels; known after the first picture.
        count: Pictures in the file so far.
    """

    def __init__(self) -> None:
        self.size = (0, 0)
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(  # noqa: B027 - not every file needs it
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete the file; after an error only let go of it."""

    @abstractmethod
    def write(self, picture: Image, pts: int, duration: int | None = None) -> None:
        """Add a picture.

        Args:
            picture: ``uint8 [H, W, 3]``.
            pts: When it is shown, in units of the time base; larger than the last one.
            duration: How long it is shown if no other follows; ``None`` for the nominal interval.

        Raises:
            VideoError: It cannot be written.
        """

    def notes(self) -> Iterator[str]:
        """What the user should know of how the file differs from the pictures, one sentence each."""
        return iter(())


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Say of FFmpeg's errors within which file could not be written.

    Raises:
        VideoError: FFmpeg failed.
    """
    try:
        yield
    except av.error.FFmpegError as error:
        raise VideoError(f"{path} cannot be written: {error.strerror}") from error
