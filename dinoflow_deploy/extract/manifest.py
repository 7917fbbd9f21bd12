"""What is known of the clips in a folder: lines as they come, and a table of all at the end."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from dinoflow_deploy.atomic import GrowingFile, check_writable
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.extract.parquet_file import check_parquet, write_parquet
from dinoflow_deploy.extract.row import ClipRow
from dinoflow_deploy.extract.settings_file import LINES_NAME, SETTINGS_NAME, TABLE_NAME, Settings
from dinoflow_deploy.system.locks import file_lock

_LOCK_NAME: Final = ".extract.lock"
OWN_NAMES: Final = (LINES_NAME, TABLE_NAME, SETTINGS_NAME, _LOCK_NAME)
"""Files of the folder that are of no clip."""


class Manifest:
    """The rows of a folder, by the path of the clip. One process writes them.

    Args:
        folder: The folder.
        lines: Its file of lines, which holds a clip again where it was computed again: the last counts.

    Raises:
        FileFormatError: A line is damaged.
    """

    def __init__(self, folder: Path, lines: GrowingFile) -> None:
        self.folder = folder
        self._lines = lines
        self.rows: dict[str, ClipRow] = {}
        for number, line in enumerate(lines.lines, 1):
            row = self._read(number, line)
            self.rows[row.path] = row
        self._count = len(lines.lines)

    def add(self, row: ClipRow) -> None:
        """Keep a row: it is on the disk when this returns.

        Raises:
            InputError: The disk is full.
        """
        self._lines.add(row.to_json())
        self.rows[row.path] = row
        self._count += 1

    def finish(self) -> None:
        """Have each clip on one line, in the order of names, and the table beside it.

        Raises:
            InputError: The disk is full.
        """
        rows = sorted(self.rows.values(), key=lambda row: (row.name, row.path))
        self._lines.rewrite(row.to_json() for row in rows)
        write_parquet(self.folder / TABLE_NAME, rows)

    def _read(self, number: int, line: str) -> ClipRow:
        try:
            return ClipRow.from_text(line)
        except (ValueError, FileFormatError) as error:
            raise FileFormatError(
                f"{self._lines.path}, line {number}, is damaged: {error}; delete the line, and its clip is "
                "computed again"
            ) from error


@contextmanager
def open_manifest(folder: Path, settings: Settings) -> Iterator[Manifest]:
    """The manifest of a folder that nobody else writes into; its table is brought up to date at the end.

    Args:
        folder: Made where it is missing.
        settings: What flow is computed with.

    Raises:
        InputError: Another run has the folder, its flow was computed otherwise, it holds something else, or
            this user may not write there.
        FileFormatError: What it says of itself is damaged.
        MissingPackageError: pyarrow is not installed.
    """
    check_parquet()
    # Before anything is put into a folder that is somebody's own.
    settings.check(folder)
    check_writable(folder / LINES_NAME)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(folder / _LOCK_NAME, wait=False))
        except BlockingIOError as error:
            raise InputError(
                f"{folder} is being written by another run: wait for its end, or choose another folder"
            ) from error
        settings.check(folder)
        settings.write(folder)
        manifest = Manifest(folder, stack.enter_context(GrowingFile(folder / LINES_NAME)))
        try:
            yield manifest
        finally:
            manifest.finish()
