"""Lists of clips: text with a path on each line, or a table with a column ``path``."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.system.optional import require

COLUMN: Final = "path"
LIST_SUFFIXES: Final = (".txt", ".lst", ".csv", ".parquet")
"""What files of lists are called."""
_SHOWN: Final = 200
"""Characters of the names of columns in a message."""


def read_list(path: Path) -> list[str]:
    """The paths in a list, as they are written there.

    Args:
        path: Text (``.txt``, ``.lst``), CSV or Parquet.

    Raises:
        FileFormatError: It cannot be read, is damaged, or has no column ``path``.
        InputError: It names nothing.
        MissingPackageError: It is Parquet, and pyarrow is not installed.
    """
    read = {".csv": _csv, ".parquet": _parquet}.get(path.suffix.lower(), _text)
    try:
        paths = [text for text in read(path) if text]
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not paths:
        raise InputError(f"{path} names no clip: put a path on each line, or into a column '{COLUMN}'")
    strange = next((text for text in paths if "\0" in text), None)
    if strange is not None:
        raise FileFormatError(f"{path}: it is no list of paths: it holds {strange[:40]!r}")
    return paths


def _text(path: Path) -> list[str]:
    # Names of files need not be UTF-8.
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        return [line.strip() for line in file]


def _csv(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        try:
            rows = csv.DictReader(file, strict=True)
            _check_column(path, rows.fieldnames or [])
            return [row[COLUMN] or "" for row in rows]
        except csv.Error as error:
            raise FileFormatError(f"{path}: it is no CSV: {error}") from error


def _parquet(path: Path) -> list[str]:
    require("pyarrow", "reading a list in Parquet")
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check_column(path, file.schema_arrow.names)
            values = file.read([COLUMN])[COLUMN].to_pylist()
    except pyarrow.ArrowException as error:
        raise FileFormatError(f"{path}: it is no Parquet file, or damaged: {error}") from error
    wrong = next((value for value in values if not isinstance(value, str | None)), None)
    if wrong is not None:
        raise FileFormatError(f"{path}: its column '{COLUMN}' holds {wrong!r}, which is no text")
    return [value or "" for value in values]


def _check_column(path: Path, names: Sequence[str]) -> None:
    if COLUMN not in names:
        found = ", ".join(map(repr, names)) or "none"
        found = f"{found[:_SHOWN]} ..." if len(found) > _SHOWN else found
        raise FileFormatError(f"{path} has no column '{COLUMN}': it has {found}")
    if names.count(COLUMN) > 1:
        raise FileFormatError(f"{path} has {names.count(COLUMN)} columns '{COLUMN}': keep the one of clips")
