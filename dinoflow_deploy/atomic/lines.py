"""A file that grows by whole lines, each on the disk before the next one."""

import os
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from dinoflow_deploy.atomic.file import atomic_file
from dinoflow_deploy.atomic.placing import full_disk_named


class GrowingFile:
    """A text file to which one process adds lines; what was killed within a line leaves the lines before it.

    Args:
        path: The file, made where it is missing.

    Attributes:
        lines: Those that it held when it was opened, without their ends.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a+b", buffering=0)
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        self._file.truncate(whole)
        self.lines = data[:whole].decode().splitlines()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, line: str) -> None:
        """Add a line, which is on the disk when this returns.

        Raises:
            InputError: The disk is full.
        """
        size = self._file.seek(0, os.SEEK_END)
        try:
            with full_disk_named(self.path):
                _write_all(self._file, f"{line}\n".encode())
                os.fsync(self._file.fileno())
        except BaseException:
            os.ftruncate(self._file.fileno(), size)
            raise

    def rewrite(self, lines: Iterable[str]) -> None:
        """Hold these lines in place of all others: both sets are never there by half.

        Raises:
            InputError: The disk is full.
        """
        with atomic_file(self.path, overwrite=True) as partial:
            partial.write_text("".join(f"{line}\n" for line in lines))
        self._file.close()
        self._file = self.path.open("a+b", buffering=0)


def _write_all(file: FileIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]
