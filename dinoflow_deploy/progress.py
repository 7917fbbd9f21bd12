"""How long work reports where it is, without knowing who listens."""

from typing import Protocol


def counted(count: float, unit: str) -> str:
    """A number and its unit: "2 frames", but "1 frame".

    Args:
        count: How many.
        unit: In the plural, with an s at its end, or a symbol.
    """
    return f"{count:.10g} {unit.removesuffix('s') if count == 1 else unit}"


class Progress(Protocol):
    """Receives progress; the command line shows it, tests record it, the default ignores it."""

    def start(self, description: str, total: float | None, unit: str) -> None:
        """Begin a stage of ``total`` units (``None``: not known), called e.g. ``"frames"``.

        A stage that is over when it is over, and counts nothing, has no total and the unit ``""``.
        """

    def advance(self, amount: float = 1.0, **figures: float) -> None:
        """Report ``amount`` more units done, with figures to show beside the bar (``epe=1.23``)."""

    def note(self, message: str) -> None:
        """Show one line that stays."""

    def finish(self) -> None:
        """End the stage."""


class NoProgress:
    """A listener that shows nothing."""

    def start(self, description: str, total: float | None, unit: str) -> None:
        """Ignore the stage."""

    def advance(self, amount: float = 1.0, **figures: float) -> None:
        """Ignore the step."""

    def note(self, message: str) -> None:
        """Ignore the line."""

    def finish(self) -> None:
        """Ignore the end."""
