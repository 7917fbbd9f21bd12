"""Dataclasses from what a JSON or TOML file holds, with errors that name the key.

Both are read alike: nested dataclasses, ``X | None``, tuples and dictionaries; a whole number does for a
number, and true or false for neither. They differ in what a mistake is. JSON here is a format of ours, to
which later releases may add: unknown keys are ignored. TOML is written by a person: an unknown key is a slip
of the pen, as is a number that is not finite.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, ClassVar, Final, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from dinoflow_deploy.errors import FileFormatError, InputError

Read = TypeVar("Read")

BESIDE: Final = "beside"
"""In a field's metadata: its keys may stand beside the other fields', without a table of their own."""
READ_BY: Final = "read_by"
"""In a field's metadata: the function that makes the field's value from its table."""


def from_json(kind: type[Read], value: Any, key: str = "") -> Read:
    """Build a value of a type from its JSON form.

    Keys that a dataclass does not have are ignored: additions to a format do not lock old readers out.

    Args:
        kind: ``str``, ``int``, ``float``, ``bool``, ``Any``, ``X | None``, ``dict[str, X]``, a tuple,
            or a dataclass of these.
        value: What ``json.loads`` gave.
        key: Dotted name of the value, for errors; that of a whole file is empty.

    Raises:
        FileFormatError: A key is missing, or a value has another type or is refused by the dataclass.
    """
    read: Read = _JsonReader().read(kind, value, key)
    return read


def from_toml(kind: type[Read], value: Any, title: str) -> Read:
    """Build a dataclass from the tables of a TOML file.

    Args:
        kind: The dataclass. A ``Literal`` in it is left for itself to check.
        value: What ``tomllib.loads`` gave.
        title: What the outermost table is called in errors.

    Raises:
        InputError: A key is unknown or missing, or a value has another type, is not finite, or is refused by
            the dataclass.
    """
    read: Read = _TomlReader(title).read(kind, value, "")
    return read


def check_fields(kind: type, values: Mapping[str, Any], title: str, others: tuple[str, ...] = ()) -> None:
    """Refuse what cannot replace fields of a dataclass: unknown names, and values of another type.

    Args:
        kind: The dataclass; its fields are plain.
        values: New values by name, which the dataclass will check for their range.
        title: What they are called together in errors.
        others: Names that the caller knows beside the fields.

    Raises:
        InputError: There is one.
    """
    reader, types = _TomlReader(title), get_type_hints(kind)
    reader.check_unknown(values, (*others, *types), "")
    for name, value in values.items():
        reader.check_type(types[name], value, name)


class _Reader(ABC):
    """Walks along the types; what a mistake is and how it is told depends on the file.

    A key is the dotted name of a value, and empty for the file as a whole.
    """

    type_names: ClassVar[Mapping[Any, str]]

    def read(self, kind: Any, value: Any, key: str) -> Any:
        origin, arguments = get_origin(kind), get_args(kind)
        if kind is Any or origin is Literal:
            return value
        if origin is UnionType:
            inner = next(argument for argument in arguments if argument is not NoneType)
            return None if value is None else self.read(inner, value, key)
        if is_dataclass(kind):
            return self._dataclass(kind, value, key)
        if origin is dict:
            self.check_type(dict, value, key)
            return {name: self.read(arguments[1], item, f"{key}.{name}") for name, item in value.items()}
        if origin is tuple:
            return self._tuple(arguments, value, key)
        self.check_type(kind, value, key)
        self.check_finite(value, key)
        return value

    def check_type(self, kind: Any, value: Any, key: str) -> None:
        """Refuse a value that is not of a type without arguments."""
        # JSON writes 1.0 as 1 in some tools; a bool is an int to Python and not to a file.
        accepted = {float: (int, float), list: (list, tuple)}.get(kind, (kind,))
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            self.wrong_type(kind, value, key)

    def _tuple(self, arguments: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
        self.check_type(list, value, key)
        if arguments[1:] == (...,):
            arguments = (arguments[0],) * len(value)
        if len(value) != len(arguments):
            self.wrong_length(len(arguments), value, key)
        return tuple(
            self.read(argument, item, f"{key}[{index}]")
            for index, (argument, item) in enumerate(zip(arguments, value, strict=True))
        )

    def _dataclass(self, kind: Any, value: Any, key: str) -> Any:
        self.check_type(dict, value, key)
        known = {field.name: field for field in fields(kind)}
        table = _gathered(known, value)
        self.check_unknown(table, known, key)
        types = get_type_hints(kind)
        arguments = {
            name: self._field(field, types[name], table[name], key)
            for name, field in known.items()
            if name in table
        }
        if missing := [name for name, field in known.items() if name not in table and _is_required(field)]:
            self.missing(missing, key)
        try:
            return kind(**arguments)
        except InputError as error:
            self.refused(error, key)

    def _field(self, field: Field[Any], kind: Any, value: Any, key: str) -> Any:
        name = f"{key}.{field.name}" if key else field.name
        if READ_BY not in field.metadata:
            return self.read(kind, value, key if BESIDE in field.metadata else name)
        self.check_type(dict, value, name)
        try:
            return field.metadata[READ_BY](value)
        except InputError as error:
            self.refused(error, key)

    @abstractmethod
    def check_unknown(self, names: Iterable[str], known: Iterable[str], key: str) -> None: ...

    @abstractmethod
    def check_finite(self, value: Any, key: str) -> None: ...

    @abstractmethod
    def missing(self, names: list[str], key: str) -> NoReturn: ...

    @abstractmethod
    def wrong_type(self, kind: Any, value: Any, key: str) -> NoReturn: ...

    @abstractmethod
    def wrong_length(self, length: int, value: Any, key: str) -> NoReturn: ...

    @abstractmethod
    def refused(self, error: InputError, key: str) -> NoReturn: ...


class _JsonReader(_Reader):
    type_names: ClassVar[Mapping[Any, str]] = {
        str: "a string",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        dict: "an object",
        list: "a list",
    }

    def check_unknown(self, names: Iterable[str], known: Iterable[str], key: str) -> None:
        """All pass."""

    def check_finite(self, value: Any, key: str) -> None:
        """All pass."""

    def missing(self, names: list[str], key: str) -> NoReturn:
        raise FileFormatError(f"the key '{key}{'.' if key else ''}{names[0]}' is missing")

    def wrong_type(self, kind: Any, value: Any, key: str) -> NoReturn:
        raise FileFormatError(f"'{key}' must be {self.type_names[kind]}, not {value!r}")

    def wrong_length(self, length: int, value: Any, key: str) -> NoReturn:
        raise FileFormatError(f"'{key}' needs {length} values, not {len(value)}")

    def refused(self, error: InputError, key: str) -> NoReturn:
        raise FileFormatError(f"'{key}': {error}" if key else str(error)) from error


class _TomlReader(_Reader):
    type_names: ClassVar[Mapping[Any, str]] = {
        str: "text in quotes",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
    }

    def __init__(self, title: str) -> None:
        self._title = title

    def check_unknown(self, names: Iterable[str], known: Iterable[str], key: str) -> None:
        known = list(known)
        if unknown := sorted(set(names).difference(known)):
            raise InputError(
                f"{key or self._title} has unknown keys {', '.join(unknown)}: known are {', '.join(known)}"
            )

    def check_finite(self, value: Any, key: str) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{self._place(key)} is {value!r}: it must be finite")

    def missing(self, names: list[str], key: str) -> NoReturn:
        raise InputError(f"{key or self._title} lacks {', '.join(sorted(names))}")

    def wrong_type(self, kind: Any, value: Any, key: str) -> NoReturn:
        if kind is dict:
            raise InputError(f"{key or self._title} must be a table, not {value!r}")
        if kind is list:
            heading = re.sub(r"\[\d+\]", "", key)
            raise InputError(f"{key} must be tables that begin with [[{heading}]], not {value!r}")
        raise InputError(f"{self._place(key)} is {value!r}: it must be {self.type_names[kind]}")

    def wrong_length(self, length: int, value: Any, key: str) -> NoReturn:
        raise InputError(f"{self._place(key)} is {value!r}: it must be {length} values")

    def refused(self, error: InputError, key: str) -> NoReturn:
        raise InputError(f"{key}: {error}" if key else str(error)) from error

    def _place(self, key: str) -> str:
        table, _, name = key.rpartition(".")
        return f"{table or self._title}: {name}"


def _gathered(known: Mapping[str, Field[Any]], table: Mapping[str, Any]) -> dict[str, Any]:
    """A table whose keys that belong to a field ``BESIDE`` the others have been put into that field's own."""
    beside = next((name for name, field in known.items() if BESIDE in field.metadata), None)
    if beside is None:
        return dict(table)
    own = {name: value for name, value in table.items() if name in known}
    inner = own.get(beside, {})
    if isinstance(inner, dict):
        own[beside] = inner | {name: value for name, value in table.items() if name not in known}
    return own


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING
