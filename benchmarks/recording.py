"""What every benchmark shares: its arguments, the record that it leaves, the table that it prints."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Final, Self

from dinoflow_deploy.atomic import atomic_file, check_file
from dinoflow_deploy.bench.results import failure_reason
from dinoflow_deploy.cli.interrupt import INTERRUPTED, Terminated, heed_termination
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.system.freed_memory import keep_freed_memory
from dinoflow_deploy.system.machine import describe_machine, versions

RESULTS: Final = Path(__file__).resolve().parent / "results"
"""Where results lie, one JSON file per benchmark."""

Found = dict[str, Any]
"""What is known of one thing that was measured, or why it is not: ``"failed"`` or ``"not_run"``."""


def argument_parser(script: str, description: str | None) -> argparse.ArgumentParser:
    """A parser with ``--output``, by default the script's own file among the results.

    Args:
        script: The script's ``__file__``.
        description: Its docstring.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    output = RESULTS / f"{Path(script).stem}.json"
    parser.add_argument("--output", type=Path, default=output, help="JSON file (default: %(default)s)")
    return parser


def size_argument(text: str) -> tuple[int, int]:
    """Height and width in pixels from ``HxW``."""
    height, width = text.lower().split("x")
    return int(height), int(width)


def size_text(size: tuple[int, int]) -> str:
    """``HxW`` of height and width in pixels."""
    return f"{size[0]}x{size[1]}"


class Record:
    """What a benchmark has found: a file that is complete and valid after each thing that was measured.

    A context. What fails within :meth:`attempt` is noted, and the benchmark goes on. At the end, also after
    an error, Ctrl-C or ``kill``, the tables of what there is are printed; the exit code is 1 where something
    failed, and 130 or 143 after an interruption.

    Args:
        arguments: Of the command line; ``output`` says where to write.
        show: Prints the tables of ``results``, whatever of it there is.
        figures: The lines that stand for ``results`` in a table of several benchmarks: what, and its value.
        results: What is known already.

    Attributes:
        results: JSON values, to be filled.

    Raises:
        SystemExit: The file could not be written.
    """

    def __init__(
        self,
        arguments: argparse.Namespace,
        show: Callable[[dict[str, Any]], None],
        figures: Callable[[dict[str, Any]], Iterable[tuple[str, str]]] | None = None,
        **results: Any,
    ) -> None:
        self.results = results
        self._output: Path = arguments.output
        try:
            check_file(self._output, overwrite=True)
        except InputError as error:
            raise SystemExit(f"error: {error}") from None
        self._show = show
        self._figures = figures
        self._failures: list[tuple[str, str]] = []
        settings = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(arguments).items()
            if name != "output"
        }
        self._machine = asdict(describe_machine())
        self._about = {"versions": versions(), "settings": settings}

    @contextmanager
    def attempt(self, name: str, found: Found, into: list[Found] | None = None) -> Iterator[None]:
        """Measure one thing: what it raises is noted in ``found``, and the file is written.

        Args:
            name: For the line that tells of a failure.
            found: What is known of it.
            into: A list within ``results`` to put it into when it is done, or has failed.
        """
        try:
            yield
        except Exception as error:  # whatever a library raises: the others are still to be measured
            found["failed"] = failure_reason(error)
            self._failures.append((name, found["failed"]))
            print(f"{name} failed: {found['failed']}", file=sys.stderr, flush=True)
        if into is not None:
            into.append(found)
        self.save()

    def save(self) -> None:
        """Write what is known, whole or not at all."""
        load = {"load_average": round(os.getloadavg()[0], 2)}
        figures = {"figures": list(self._figures(self.results))} if self._figures else {}
        failures = {"failures": self._failures} if self._failures else {}
        record = {"machine": self._machine | load, **self._about, **self.results, **figures, **failures}
        # Files of the repository by their place in it: where it lies is nobody's business.
        text = json.dumps(record, indent=2).replace(f"{RESULTS.parents[1]}/", "")
        with atomic_file(self._output, overwrite=True) as partial:
            partial.write_text(text + "\n")

    def __enter__(self) -> Self:
        heed_termination()
        # What runs in this process is to take what it takes in a command's.
        keep_freed_memory()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            self.results["interrupted"] = True
        self.save()
        self._show(self.results)
        print(f"\nwritten to {self._output}", flush=True)
        if isinstance(error, KeyboardInterrupt):
            print("interrupted: the others were not measured", file=sys.stderr)
            raise SystemExit(error.exit_code if isinstance(error, Terminated) else INTERRUPTED)
        if error is None and self._failures:
            name, reason = self._failures[0]
            raise SystemExit(f"error: {len(self._failures)} failed, the first: {name}: {reason}")


def missing(found: Found) -> str | None:
    """Why there is nothing to show of something."""
    reasons = (f"{key.replace('_', ' ')}: {found[key]}" for key in ("failed", "not_run") if key in found)
    return next(reasons, None)


def row(
    found: Found, first: Sequence[str], header: Sequence[str], cells: Callable[[], Iterable[str]]
) -> list[str]:
    """A line of a table: the first cells, then the others, or in their place why there are none."""
    reason = missing(found)
    if reason is None:
        return [*first, *cells()]
    return [*first, *["-"] * (len(header) - len(first) - 1), reason]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {"median": median(values), "min": min(values), "max": max(values)}


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table, unless it has no rows; its columns after the first hold numbers."""
    lines = [header, *rows]
    if len(lines) == 1:
        return
    print()
    print(table_text(header, lines[1:]))


def table_text(header: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: int = 1) -> str:
    """A Markdown table; columns after the first ``text_columns`` hold numbers and lie to the right."""
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    adjust = [str.ljust if column < text_columns else str.rjust for column in range(len(header))]
    rule = [
        f":{'-' * (width - 1)}" if column < text_columns else f"{'-' * (width - 1)}:"
        for column, width in enumerate(widths)
    ]
    padded = [
        [put(cell, width) for put, cell, width in zip(adjust, line, widths, strict=True)] for line in lines
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in (padded[0], rule, *padded[1:]))
