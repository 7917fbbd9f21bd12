"""What every benchmark shares: its arguments, the record that it leaves, the table that it prints."""

import argparse
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, Final

from dinoflow_deploy.atomic import atomic_file
from dinoflow_deploy.machine import describe_machine, versions

RESULTS: Final = Path(__file__).resolve().parent / "results"
"""Where results lie, one JSON file per benchmark."""


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


def write_record(arguments: argparse.Namespace, **results: Any) -> None:
    """Write what was measured, with how, on what machine and with what software.

    Args:
        arguments: Of the command line; ``output`` says where to.
        results: JSON values.
    """
    settings = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(arguments).items()
        if name != "output"
    }
    record = {
        "machine": asdict(describe_machine()) | {"load_average": round(os.getloadavg()[0], 2)},
        "versions": versions(),
        "settings": settings,
        **results,
    }
    with atomic_file(arguments.output, overwrite=True) as partial:
        # Files of the repository by their place in it: where it lies is nobody's business.
        partial.write_text(json.dumps(record, indent=2).replace(f"{RESULTS.parents[1]}/", "") + "\n")
    print(f"\nwritten to {arguments.output}")


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {"median": median(values), "min": min(values), "max": max(values)}


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table: the first column to the left, the others, which hold numbers, to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    rule = [f":{'-' * (widths[0] - 1)}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    print()
    for first, *others in (header, rule, *lines[1:]):
        cells = [first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]
        print(f"| {' | '.join(cells)} |")
