"""Dataclasses from JSON, with errors that name the key."""

from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from dinoflow_deploy.errors import FileFormatError, InputError


def from_json(kind: Any, value: Any, key: str) -> Any:
    """Build a value of a type from its JSON form.

    Keys that a dataclass does not have are ignored: additions to a format do not lock old readers out.

    Args:
        kind: ``str``, ``int``, ``float``, ``bool``, ``Any``, ``X | None``, ``dict[str, X]``, a tuple,
            or a dataclass of these.
        value: What ``json.loads`` gave.
        key: Dotted name of the value, for errors.

    Raises:
        FileFormatError: A key is missing, or a value has another type or is refused by the dataclass.
    """
    if kind is Any:
        return value
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        inner = next(argument for argument in arguments if argument is not NoneType)
        return None if value is None else from_json(inner, value, key)
    if is_dataclass(kind):
        return _dataclass_from_json(kind, value, key)
    if origin is dict:
        return {
            name: from_json(arguments[1], item, f"{key}.{name}")
            for name, item in _checked(dict, value, key).items()
        }
    if origin is tuple:
        items = _checked(list, value, key)
        if arguments[1:] == (...,):
            return tuple(from_json(arguments[0], item, f"{key}[{index}]") for index, item in enumerate(items))
        if len(items) != len(arguments):
            raise FileFormatError(f"'{key}' needs {len(arguments)} values, not {len(items)}")
        return tuple(from_json(argument, item, key) for argument, item in zip(arguments, items, strict=True))
    return _checked(kind, value, key)


def _dataclass_from_json(kind: Any, value: Any, key: str) -> Any:
    section = _checked(dict, value, key)
    types = get_type_hints(kind)
    arguments = {}
    for field in fields(kind):
        name = f"{key}.{field.name}" if key else field.name
        if field.name in section:
            arguments[field.name] = from_json(types[field.name], section[field.name], name)
        elif field.default is MISSING:
            raise FileFormatError(f"the key '{name}' is missing")
    try:
        return kind(**arguments)
    except InputError as error:
        raise FileFormatError(f"'{key}': {error}" if key else str(error)) from error


def _checked(kind: Any, value: Any, key: str) -> Any:
    # JSON writes 1.0 as 1 in some tools; a bool is an int to Python and not to a format.
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise FileFormatError(f"'{key}' must be {_NAMES[kind]}, not {value!r}")
    return value


_NAMES = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}
