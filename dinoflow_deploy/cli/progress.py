"""Progress on stderr: a bar on a terminal, plain occasional lines otherwise."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from dinoflow_deploy.progress import Progress, counted

SECONDS_BETWEEN_LINES = 10.0


class TerminalProgress:
    """Shows the progress of long work on stderr.

    with TerminalProgress() as progress:
        flow_video(..., progress=progress)
    """

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(file=sys.stderr, highlight=False)
        self._shown: _Bar | _Lines = _Bar(console) if console.is_terminal else _Lines(console)

    def __enter__(self) -> Progress:
        return self._shown

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.finish()


class _Rate:
    """Units per second since the stage began, the time that is left, and the figures last reported."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.done = 0.0
        self.figures: dict[str, float] = {}
        self._first: tuple[float, float] | None = None

    def add(self, amount: float, figures: dict[str, float]) -> None:
        self.done += amount
        self.figures |= figures
        self._first = self._first or (time.monotonic(), self.done)

    def seconds_left(self, total: float) -> float | None:
        """Seconds to ``total`` at the rate since the first report; ``None`` before a second of that.

        The first report took what is done once: loading, compiling, starting processes.
        """
        if self._first is None:
            return None
        began, before = self._first
        seconds, done = time.monotonic() - began, self.done - before
        return seconds / done * (total - self.done) if seconds >= 1 and done > 0 else None

    def text(self, unit: str) -> str:
        rate = self.done / max(time.monotonic() - self.began, 1e-6)
        return "  ".join(
            [f"{rate:.3g} {unit}/s", *(f"{name} {value:.4g}" for name, value in self.figures.items())]
        )


class _Bar:
    """A bar with count, rate, time left and figures."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: RichProgress | None = None

    def start(self, description: str, total: float | None, unit: str) -> None:
        self.finish()
        self._unit, self._rate = unit, _Rate()
        name, elapsed = TextColumn("{task.description}", markup=False), TimeElapsedColumn()
        counted: tuple[ProgressColumn, ...] = (
            *(BarColumn(), MofNCompleteColumn(), elapsed, TextColumn("left"), TimeRemainingColumn()),
            TextColumn("{task.fields[figures]}", markup=False),
        )
        columns = counted if unit else (BarColumn(), elapsed)
        self._bar = RichProgress(name, *columns, console=self._console)
        self._bar.start()
        self._task = self._bar.add_task(description, total=total, figures="")

    def advance(self, amount: float = 1.0, **figures: float) -> None:
        if self._bar is not None:
            self._rate.add(amount, figures)
            self._bar.update(self._task, advance=amount, figures=self._rate.text(self._unit))

    def note(self, message: str) -> None:
        self._console.print(message, markup=False, soft_wrap=True)

    def finish(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class _Lines:
    """A line when a stage begins, at most one every ten seconds, and one when it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rate: _Rate | None = None

    def start(self, description: str, total: float | None, unit: str) -> None:
        self.finish()
        self._description, self._total, self._unit = description, total, unit
        self._rate = _Rate()
        self._last_line = self._rate.began
        self._said: float | None = None
        # "100 %" at the beginning would read as the end.
        much = "started" if total is None or unit == "%" else counted(total, unit)
        self.note(f"{description}: {much}")

    def advance(self, amount: float = 1.0, **figures: float) -> None:
        if self._rate is None:
            return
        self._rate.add(amount, figures)
        now = time.monotonic()
        if now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._line(self._rate)
            self._said = self._rate.done

    def note(self, message: str) -> None:
        self._console.print(message, markup=False, soft_wrap=True)

    def finish(self) -> None:
        if self._rate is None:
            return
        if not self._unit:
            self.note(f"{self._description}: {time.monotonic() - self._rate.began:.1f} s")
        elif self._rate.done != self._said:
            self._line(self._rate)
        self._rate = None

    def _line(self, rate: _Rate) -> None:
        seconds = time.monotonic() - rate.began
        done = round(rate.done, 1)
        said, left = counted(done, self._unit), ""
        if self._total is not None:
            said = f"{done:g}/{counted(self._total, self._unit)}"
            seconds_left = rate.seconds_left(self._total)
            if seconds_left is not None and rate.done < self._total:
                left = f", {seconds_left:.0f} s left"
        self.note(f"{self._description}: {said}, {seconds:.0f} s{left}, {rate.text(self._unit)}")
