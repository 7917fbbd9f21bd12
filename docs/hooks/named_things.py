"""What pages name has to be there: files and modules of this repository, commands and their options."""

import logging
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.pages import Page

from command_options import context_of

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = "dinoflow_deploy"
HISTORY: Final = ("changelog.md", "benchmarks-h200.md")
"""Pages that name what was there."""

_log = logging.getLogger("mkdocs.hooks.named_things")
_PATH: Final = re.compile(rf"(?<![\w/.-])(?:{PACKAGE}|tests|benchmarks|docs)(?:/[\w.-]*\w)+/?")
_PLACEHOLDER: Final = re.compile(r"/[A-Z]+/")
_CODE: Final = re.compile(r"`([\w./-]+)`")
_SOURCE: Final = re.compile(r"[\w/-]+\.(?:py|cu|toml)")
_DOTTED: Final = re.compile(rf"\b{PACKAGE}(?:\.[A-Za-z_]\w*)+")
_IMPORT: Final = re.compile(rf"^from ({PACKAGE}[\w.]*) import ([\w, ]+)", re.MULTILINE)
_FENCED: Final = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OPTION: Final = re.compile(r"(?<!\S)--?[a-z][a-z-]*")


def on_page_markdown(markdown: str, page: Page, **_: Any) -> None:
    """MkDocs's hook: a warning for each thing that is not there, which fails a strict build."""
    if page.file.src_uri not in HISTORY:
        for problem in problems(markdown):
            _log.warning("%s: %s", page.file.src_uri, problem)


def problems(markdown: str) -> list[str]:
    """What a page names and is not there, a sentence for each."""
    return [*_missing_files(markdown), *_missing_names(markdown), *_unknown_options(markdown)]


def _missing_files(markdown: str) -> Iterator[str]:
    for path in dict.fromkeys(_PATH.findall(markdown)):
        if not (ROOT / path).exists() and not _PLACEHOLDER.search(path):
            yield f"{path} is not in the repository"
    for name in dict.fromkeys(_CODE.findall(markdown)):
        if _SOURCE.fullmatch(name) and not _PATH.match(name) and not _is_source(name):
            yield f"no file of the repository is called {name}"


def _is_source(name: str) -> bool:
    """Whether a name is that of a file, from the repository, the package or, alone, from any folder of it."""
    if (ROOT / name).is_file() or (ROOT / PACKAGE / name).is_file():
        return True
    folders = (PACKAGE, "tests", "benchmarks", "docs")
    return "/" not in name and any(next((ROOT / each).rglob(name), None) for each in folders)


def _missing_names(markdown: str) -> Iterator[str]:
    dotted = _DOTTED.findall(markdown)
    for module, names in _IMPORT.findall(markdown):
        dotted += [f"{module}.{name.strip()}" for name in names.split(",")]
    for name in dict.fromkeys(dotted):
        if not _is_name(name):
            yield f"{name} is no module and in none"


def _is_name(dotted: str) -> bool:
    """Whether a dotted name is that of a module, or of something in one."""
    module, _, name = dotted.rpartition(".")
    return _is_module(dotted) or (_is_module(module) and hasattr(import_module(module), name))


def _is_module(dotted: str) -> bool:
    try:
        import_module(dotted)
    except ModuleNotFoundError:
        return False
    return True


def _unknown_options(markdown: str) -> Iterator[str]:
    for command, options in command_lines(markdown):
        try:
            context = context_of(command)
        except KeyError:
            yield f"there is no command {command!r}"
            continue
        known = {name for each in context.command.get_params(context) for name in each.opts}
        yield from (f"{command} has no option {option}" for option in options if option not in known)


def command_lines(markdown: str) -> Iterator[tuple[str, list[str]]]:
    """The command lines in a page's blocks of code: the words of the command, and its options."""
    for block in _FENCED.findall(markdown):
        for line in block.replace("\\\n", " ").splitlines():
            words = re.search(r"(?:^|-m |\$ )(?:dinoflow-deploy|dinoflow_deploy) ([a-z][a-z ]*[a-z])", line)
            if words is None:
                continue
            command = _command(words[1])
            yield command, _OPTION.findall(line[words.start(1) :].partition("#")[0].partition("|")[0])


def _command(words: str) -> str:
    """The command of the words that begin a line; groups have two."""
    first, _, rest = words.partition(" ")
    return " ".join([first, rest.partition(" ")[0]]) if first in ("data", "plugin") else first
