"""Tables of a command's options, from the command line: where a page says ``<!-- options: video -->``."""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import typer
import typer.main

from dinoflow_deploy.cli.app import app

_PLACE: Final = re.compile(r"^<!-- options: ([\w ]+) -->$", re.MULTILINE)
_KINDS: Final = {"argument": "Argument", "option": "Option"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs's hook: the page with its tables.

    Raises:
        KeyError: There is no such command; the build fails.
    """
    return _PLACE.sub(lambda place: options_of(place[1]), markdown)


def options_of(command: str) -> str:
    """The arguments and options of a command in Markdown, a table for each panel of its ``--help``.

    Args:
        command: Its words, such as ``"data check"``.
    """
    context = context_of(command)
    records: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and parameter.name != "help":
            kind = _KINDS[parameter.param_type_name]
            records[getattr(parameter, "rich_help_panel", None) or kind].append(record)
    usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
    return "\n\n".join([f"```\n{usage}\n```", *_tables(records)])


def _tables(records: dict[str, list[tuple[str, str]]]) -> Iterator[str]:
    for panel, rows in records.items():
        cells = (f"| <code>{_escaped(names)}</code> | {_escaped(text)} |" for names, text in rows)
        yield "\n".join([f"| {panel} | What it does |", "|---|---|", *cells])


def _escaped(text: str) -> str:
    """Text as Markdown shows it in a table; Typer puts two spaces before ``[default: ...]``."""
    return re.sub(r"[\\`*_<>\[\]|]", lambda sign: f"&#{ord(sign[0])};", " ".join(text.split()))


@cache
def context_of(command: str) -> Any:
    """The context of a command, such as ``"data check"``.

    Raises:
        KeyError: There is none.
    """
    found: Any = typer.main.get_command(app)
    context = typer.Context(found, info_name="dinoflow-deploy")
    for word in command.split():
        found = found.commands[word]
        context = typer.Context(found, info_name=word, parent=context)
    return context
