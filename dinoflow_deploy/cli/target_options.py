"""Options of export targets on the command line, from their dataclasses."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from dinoflow_deploy.cli.values import choices, parse_path
from dinoflow_deploy.export.option import Option, defaults_of, options_of, types_of
from dinoflow_deploy.export.target import Target


def parameters(target: Target) -> list[Parameter]:
    """The parameters of a command that takes a target's options."""
    kind, types, defaults = target.options, types_of(target.options), defaults_of(target.options)
    return [
        _parameter(given, types[name], defaults[name], target.panel)
        for name, given in options_of(kind).items()
    ]


def parameter_names(targets: Iterable[Target]) -> list[str]:
    """Names of the parameters of targets' options."""
    return [given.parameter for target in targets for given in options_of(target.options).values()]


def own_values(target: Target, values: Mapping[str, Any]) -> dict[str, Any]:
    """A target's options by the name of their field.

    Args:
        target: The target.
        values: Of the command's parameters by name.

    Raises:
        InputError: A value cannot be read.
    """
    defaults = defaults_of(target.options)
    return {
        name: _value(given, values[given.parameter], defaults[name])
        for name, given in options_of(target.options).items()
    }


def _value(given: Option, value: Any, default: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if given.parse is None:
        return value
    return default if value is None else given.parse(value)


def _parameter(given: Option, kind: Any, default: Any, panel: str | None) -> Parameter:
    is_path = Path in (kind, *get_args(kind))
    info = typer.Option(
        given.flag,
        help=given.help,
        metavar=given.metavar,
        show_default=given.shown_default or True,
        rich_help_panel=panel,
        parser=parse_path if is_path else None,
    )
    if given.choices:
        kind = choices(given.flag, given.choices)
        default = kind(default)
    elif given.parse is not None:
        kind, default = str | None, None
    return Parameter(
        given.parameter, Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=Annotated[kind, info]
    )
