"""What several commands do with the values of their options."""

from pathlib import Path

import typer

from dinoflow_deploy.atomic import atomic_file, check_writable
from dinoflow_deploy.errors import InputError


def parse_size(text: str) -> tuple[int, int]:
    """Height and width in pixels of ``"448x1024"``.

    Raises:
        typer.BadParameter: It is not written so.
    """
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise typer.BadParameter(f"--size is {text}: give height and width in pixels, such as 448x1024")
    return int(height), int(width)


def check_new_file(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that could not be written at the end of long work.

    Raises:
        InputError: It exists and is not to be replaced, or its folder is not there or not to be written in.
    """
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists: pass --overwrite to replace it, or another name")
    check_writable(path)
    if not path.resolve().parent.is_dir():
        raise InputError(f"{path} cannot be written: there is no folder {path.parent}")


def printable(text: str) -> str:
    """A text from a file or a command line, without what would steer the terminal: that is escaped.

    Line breaks and tabs stay.
    """
    return "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
