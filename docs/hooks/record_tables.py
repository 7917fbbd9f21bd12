"""Tables of what was measured, from its record, as the benchmark itself prints them.

Where a page says ``<!-- record: accuracy.json -->``, ``benchmarks/accuracy.py`` puts the tables of
``benchmarks/results/accuracy.json``. Words behind the name choose among them by how a table begins:
``<!-- record: work_by_part.json vits16 448x1024 -->``.
"""

import io
import json
import re
import sys
from contextlib import redirect_stdout
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

BENCHMARKS: Final = Path(__file__).resolve().parents[2] / "benchmarks"

_PLACE: Final = re.compile(r"^<!-- record: (\S+\.json) ?(.*?) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs's hook: the page with its tables.

    Raises:
        ValueError: A record has no table of that title; the build fails, as it does without the record.
    """
    return _PLACE.sub(lambda place: record_tables(place[1], place[2]), markdown)


def record_tables(record: str, title: str = "") -> str:
    """The tables of a record in Markdown.

    Args:
        record: Its file within ``benchmarks/results``.
        title: How the tables begin that are wanted; "" for all.
    """
    blocks = [block.strip() for block in _printed(record).split("\n\n")]
    blocks = [block for block in blocks if block.startswith(f"| {title}")]
    if not blocks:
        raise ValueError(f"{record} gives no table that begins with {title!r}")
    return "\n\n".join(blocks)


@cache
def _printed(record: str) -> str:
    """What the benchmark prints of a record: a file is named as its script, words behind that aside."""
    if str(BENCHMARKS) not in sys.path:
        sys.path.append(str(BENCHMARKS))
    path = BENCHMARKS / "results" / record
    results = json.loads(path.read_text())
    names = (script.stem for script in BENCHMARKS.glob("*.py") if path.stem.startswith(script.stem))
    script = import_module(max(names, key=len))
    with redirect_stdout(io.StringIO()) as printed:
        script.show(results)
    return printed.getvalue()
