"""Prints results: drawn to the width of a terminal, and otherwise as text for files and other programs."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import typer

from dinoflow_deploy.cli.values import printable
from dinoflow_deploy.tables import Listing, Part, Table, markdown, with_legends

if TYPE_CHECKING:
    from rich.table import Table as Drawn

_GAP: Final = 2
"""Blanks between two columns."""


def print_parts(parts: Sequence[Part]) -> None:
    """Print tables and lists: drawn on a terminal, else in Markdown.

    A table that is too wide is drawn in pieces, each with the names before it; no number is cut.
    """
    if not sys.stdout.isatty():
        typer.echo(markdown(parts), nl=False)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for part, legend in with_legends(parts):
        console.print(Text(printable(part.title), "bold"))
        for drawn in _table(part, console.width) if isinstance(part, Table) else _listing(part):
            console.print(drawn)
            console.print()
        if legend:
            console.print(Text(legend, "dim"))
            console.print()


def print_labelled(lines: Iterable[tuple[str, str]], *, plain_width: int | None = None) -> None:
    """Print lines with a label each, folded beside the labels.

    Args:
        lines: Labels, empty where the one above goes on, and texts.
        plain_width: Where standard output is no terminal, no line is folded, and labels are padded to so many
            characters. ``None`` folds there too, at 80 columns or what ``COLUMNS`` says.
    """
    listed = list(lines)
    if plain_width is not None and not sys.stdout.isatty():
        for label, line in listed:
            typer.echo(f"{label:<{plain_width}}{line}")
        return
    # Of no line, rich would draw an empty one.
    if not listed:
        return
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    grid = Drawn.grid(padding=(0, _GAP))
    for label, line in listed:
        # Text, because a table would read brackets as styles.
        grid.add_row(Text(printable(label), "bold"), Text(printable(line), overflow="fold"))
    Console(highlight=False).print(grid)


def print_line(text: str, style: str = "", *, fold: bool = True) -> None:
    """Print a line or paragraph.

    Args:
        text: What it says.
        style: Of rich, for a terminal.
        fold: Whether it is folded at the width; not what is there to be copied, such as a command.
    """
    from rich.console import Console
    from rich.text import Text

    Console(highlight=False).print(Text(printable(text), style), soft_wrap=not fold)


def _listing(listing: Listing) -> Iterator["Drawn"]:
    from rich.table import Table as Drawn
    from rich.text import Text

    if listing.lines:
        grid = Drawn.grid(padding=(0, 1))
        for line in listing.lines:
            grid.add_row("-", Text(printable(line), overflow="fold"))
        yield grid


def _table(table: Table, width: int) -> Iterator["Drawn"]:
    """The table, in as many pieces as the width needs."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table as Drawn
    from rich.text import Text

    lines = [[printable(cell) for cell in line] for line in (table.header, *table.rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for piece in _pieces(widths, table.text_columns, width):
        drawn = Drawn(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
        for column in piece:
            drawn.add_column(
                Text(lines[0][column]),
                justify="left" if column < table.text_columns else "right",
                overflow="fold",
                # Only names and sentences give way.
                min_width=None if column < table.text_columns else widths[column],
            )
        for line in lines[1:]:
            drawn.add_row(*(Text(line[column]) for column in piece))
        yield drawn


def _pieces(widths: Sequence[int], text_columns: int, width: int) -> Iterator[list[int]]:
    """Columns of each piece: all that hold text, in half of the width if need be, and some with numbers."""
    names = list(range(text_columns))
    taken = min(sum(widths[:text_columns]) + _GAP * (text_columns - 1), width // 2)
    piece, used = names.copy(), taken
    for column in range(text_columns, len(widths)):
        used += _GAP + widths[column]
        if used > width and piece != names:
            yield piece
            piece, used = names.copy(), taken + _GAP + widths[column]
        piece.append(column)
    yield piece
