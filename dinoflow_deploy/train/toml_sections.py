"""From the tables of a TOML file to sections: known keys, none missing, each of its type."""

import dataclasses
import math
from types import NoneType
from typing import Any, TypeVar

from dinoflow_deploy.errors import InputError

Section = TypeVar("Section")

# What a file may hold for a field of each type. Not by isinstance: true would pass for a whole number.
_TYPES: dict[Any, tuple[tuple[type, ...], str]] = {
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    bool: ((bool,), "true or false"),
    str: ((str,), "text in quotes"),
    str | None: ((str, NoneType), "text in quotes"),
}


def read_section(kind: type[Section], values: Any, where: str) -> Section:
    """A section from its table.

    Args:
        kind: A dataclass.
        values: The table; fields that are sections themselves have been read.
        where: What the table is called, for messages.

    Raises:
        InputError: A key is unknown or missing, has the wrong type, or is out of range.
    """
    if not isinstance(values, dict):
        raise InputError(f"{where} must be a table, not {values!r}")
    checked = checked_keys(kind, values, where)
    try:
        return kind(**checked)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def checked_keys(kind: type, values: dict[str, Any], where: str) -> dict[str, Any]:
    """Values with only known keys, no required key missing, and each of its type.

    Raises:
        InputError: They are not.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(values.keys() - fields.keys())
    if unknown:
        raise InputError(f"{where} has unknown keys {', '.join(unknown)}: known are {', '.join(fields)}")
    required = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    missing = sorted(required - values.keys())
    if missing:
        raise InputError(f"{where} lacks {', '.join(missing)}")
    for name, value in values.items():
        _check_type(f"{where}: {name}", value, fields[name].type)
    return values


def list_of_tables(values: Any, where: str, hint: str) -> list[Any]:
    """A list of tables as it is, for what is written ``[[name]]`` or ``name = [{ ... }]``.

    Raises:
        InputError: It is something else.
    """
    if not isinstance(values, list | tuple):
        raise InputError(f"{where} must be tables that begin with {hint}, not {values!r}")
    return list(values)


def check_least(section: object, **limits: float) -> None:
    """Refuse fields below a limit, and those that are not finite.

    Raises:
        InputError: One is.
    """
    for name, least in limits.items():
        value = getattr(section, name)
        if not least <= value < math.inf:
            raise InputError(f"{name} is {value}: it must be {least} or more")


def _check_type(name: str, value: Any, expected: Any) -> None:
    types, wanted = _TYPES.get(expected, ((type(value),), ""))
    if type(value) not in types:
        raise InputError(f"{name} is {value!r}: it must be {wanted}")
    if expected is float and not math.isfinite(value):
        raise InputError(f"{name} is {value!r}: it must be finite")
