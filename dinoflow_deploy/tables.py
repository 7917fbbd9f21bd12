"""Tables and lists of text as data, and as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text.

    Attributes:
        title: What it shows.
        header: Names of the columns.
        rows: Cells.
        legend: What the columns mean; said once where several tables share it.
        text_columns: So many columns hold names and sentences, the first ones; the others hold numbers.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    legend: str = ""
    text_columns: int = 1

    def markdown(self) -> str:
        """The table without its legend."""
        lines = [[cell.replace("|", "\\|") for cell in line] for line in (self.header, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        header, *rows = (
            " | ".join(
                cell.ljust(width) if place < self.text_columns else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        )
        rule = "|".join(
            f":{'-' * (width + 1)}" if place < self.text_columns else f"{'-' * (width + 1)}:"
            for place, width in enumerate(widths)
        )
        return "\n".join(
            [f"**{self.title}**\n", f"| {header} |", f"|{rule}|", *(f"| {row} |" for row in rows)]
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """A title and lines below it.

    Attributes:
        title: What they are.
        lines: None where the title says it all.
    """

    title: str
    lines: tuple[str, ...] = ()

    def markdown(self) -> str:
        """Title and list."""
        return "\n\n".join(
            [f"**{self.title}**", *filter(None, ["\n".join(f"- {each}" for each in self.lines)])]
        )


Part = Table | Listing
"""What a result is shown as."""


def with_legends(parts: Sequence[Part]) -> Iterator[tuple[Part, str]]:
    """Each part, and the legend to put below it: that of several tables below the last of them."""
    legends = [part.legend if isinstance(part, Table) else "" for part in parts]
    for place, (part, legend) in enumerate(zip(parts, legends, strict=True)):
        yield part, "" if legend in legends[place + 1 :] else legend


def markdown(parts: Sequence[Part]) -> str:
    """All parts in Markdown, with a line break at the end."""
    blocks = (block for part, legend in with_legends(parts) for block in (part.markdown(), legend))
    return "\n\n".join(filter(None, blocks)) + "\n"
