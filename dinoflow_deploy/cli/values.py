"""What several commands do with the values of their options."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import typer

from dinoflow_deploy.system.user_folders import expand_home

STDOUT = Path("/dev/stdout")


def choices(flag: str, values: Iterable[str]) -> type[StrEnum]:
    """The type of an option that takes one of some values."""
    return StrEnum(flag, [(value, value) for value in values])  # type: ignore[return-value]


def parse_path(text: str | Path) -> Path:
    """A path that the user wrote, ``~`` being the home folder.

    Raises:
        typer.BadParameter: It is empty, or ``-``, which is no file.
        InputError: There is no such user.
    """
    if text == "-":
        raise typer.BadParameter("- is standard output, which takes no such file; ./- is a file of that name")
    # A default is a path already.
    return text if isinstance(text, Path) else Path(_expanded(text))


def parse_text_path(text: str) -> Path:
    """The path of a text that a command writes, ``-`` being standard output."""
    return STDOUT if text == "-" else parse_path(text)


def parse_reference(text: str) -> str:
    """What may be a path or a name, an address or a pattern: ``~`` at its start is the home folder.

    Raises:
        typer.BadParameter: It is empty.
        InputError: There is no such user.
    """
    return _expanded(text)


def parse_root(text: str) -> str:
    """``DIR`` or ``NAME=DIR``, ``~`` at the start of DIR being the home folder.

    Raises:
        typer.BadParameter: DIR is empty.
        InputError: There is no such user.
    """
    name, separator, folder = text.partition("=")
    return f"{name}={_expanded(folder)}" if separator else _expanded(text)


def _expanded(text: str) -> str:
    # For Path the empty name, which a shell makes of a variable that is not set, is the current folder.
    if not text:
        raise typer.BadParameter("the name is empty; . is the current folder")
    return expand_home(text)


def parse_size(text: str) -> tuple[int, int]:
    """Height and width in pixels of ``"448x1024"``.

    Raises:
        typer.BadParameter: It is not written so.
    """
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise typer.BadParameter(f"--size is {text}: give height and width in pixels, such as 448x1024")
    return int(height), int(width)


def printable(text: str) -> str:
    """A text from a file or a command line, without what would steer the terminal: that is escaped.

    Line breaks and tabs stay.
    """
    return "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)


def refuse_options(context: typer.Context, names: Iterable[str], why: str) -> None:
    """Refuse options that have no meaning beside others, in place of ignoring them.

    Args:
        context: Of the command.
        names: Names of parameters.
        why: What follows the option in the message.

    Raises:
        typer.BadParameter: One of them was given on the command line.
    """
    options = {param.name: param.opts[0] for param in context.command.params}
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"{options[name]} {why}")
