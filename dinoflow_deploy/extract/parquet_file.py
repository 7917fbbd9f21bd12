"""The manifest as a table in Parquet."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, Final, get_args, get_type_hints

from dinoflow_deploy.atomic import atomic_file
from dinoflow_deploy.extract.row import ClipRow
from dinoflow_deploy.system.optional import require

_PURPOSE: Final = "the manifest of extract"


def check_parquet() -> None:
    """Ask for what writes the table.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    require("pyarrow", _PURPOSE)


def write_parquet(path: Path, rows: Sequence[ClipRow]) -> None:
    """Write all rows, whole or not at all; a file that is there is replaced."""
    check_parquet()
    import pyarrow
    import pyarrow.parquet

    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    hints = get_type_hints(ClipRow)
    schema = pyarrow.schema([(each.name, types[_plain(hints[each.name])]) for each in fields(ClipRow)])
    columns = [pyarrow.array([_text(getattr(row, each.name)) for row in rows], each.type) for each in schema]
    with atomic_file(path, overwrite=True) as partial:
        pyarrow.parquet.write_table(pyarrow.table(columns, schema=schema), partial)


def _plain(hint: Any) -> Any:
    return get_args(hint)[0] if isinstance(hint, UnionType) else hint


def _text(value: object) -> object:
    """Names of files that are no text are escaped: Parquet holds UTF-8 alone."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
