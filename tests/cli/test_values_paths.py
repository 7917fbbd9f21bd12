"""Every option and argument of every command that is a path: ``~`` is the home folder, ``-`` no file."""

import typing
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.cli.values import STDOUT

NO_PATHS = {
    *("bench backend", "bench device", "bench precision", "bench dataset", "bench size"),
    *("data check name", "data synth size"),
    *("export rename", "export size", "export minimum", "export optimum", "export maximum", "export batch"),
    *("export compute_capability", "plugin build architectures"),
    *("export name", "extract backend", "extract device", "extract ray"),
    *("selftest model", "selftest backend", "selftest size", "train device", "video backend", "video device"),
}
"""Options and arguments that take text and no path."""
TEXTS = {
    "bench json_file",
    "bench csv_file",
    "bench markdown_file",
    "data check json_file",
    "extract json_file",
    "video json_file",
}
"""Options that name a text which is written."""


def commands(group: typer.Typer, name: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{name}{command.callback.__name__}", command.callback
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, f"{inner.name} ")


def parsers() -> Iterator[tuple[str, Callable[[str], Any] | None]]:
    """What reads each option and argument that takes text or a path; ``None`` where nothing does."""
    for command, callback in commands(app):
        for name, parameter in signature(callback, eval_str=True).parameters.items():
            hint = parameter.annotation
            if typing.get_origin(hint) is not typing.Annotated:
                continue
            kind, info = typing.get_args(hint)
            kinds = {kind, *typing.get_args(kind)}
            if kinds & {str, Path, list[str], list[Path]}:
                yield f"{command} {name}", info.parser


PARSERS = dict(parsers())


def converted(name: str, text: str) -> str:
    parser = PARSERS[name]
    assert parser is not None, f"{name} is a path that is read as it stands, or belongs into NO_PATHS"
    return str(parser(text))


def test_what_is_no_path_is_there_and_read_as_it_stands() -> None:
    assert {name for name, parser in PARSERS.items() if parser is None} == NO_PATHS
    assert set(PARSERS) > TEXTS


@pytest.mark.parametrize("name", sorted(set(PARSERS) - NO_PATHS))
def test_a_path_is_expanded(name: str, monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/homes/me")
    assert converted(name, "~/in.mp4") == "/homes/me/in.mp4"
    # A file or folder whose own name is ~.
    assert converted(name, "./~") in ("./~", "~")
    assert converted(name, "plain") == "plain"


@pytest.mark.parametrize("name", sorted(set(PARSERS) - NO_PATHS))
def test_an_empty_name_is_not_the_current_folder(name: str) -> None:
    with pytest.raises(typer.BadParameter, match="the name is empty"):
        converted(name, "")


def test_the_root_of_one_data_set_is_expanded(monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/homes/me")
    assert converted("bench root", "kitti-2015=~/KITTI") == "kitti-2015=/homes/me/KITTI"
    with pytest.raises(typer.BadParameter, match="the name is empty"):
        converted("bench root", "kitti-2015=")


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_dash_is_standard_output(name: str) -> None:
    assert converted(name, "-") == str(STDOUT)
    assert converted(name, "./-") == "-"


def test_a_dash_is_no_name_of_another_output() -> None:
    result = CliRunner().invoke(app, ["export", "--model", "nano", "--output", "-"])
    assert result.exit_code == 2
    assert "- is standard output" in result.stderr
    assert not Path("-").exists()
