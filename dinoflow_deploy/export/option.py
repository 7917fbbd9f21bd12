"""Options of export targets as fields of dataclasses, from which command line, refusals and keys are read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, get_type_hints

_KEY: Final = "option"
_OUTSIDE_KEY: Final = "outside_key"


@dataclass(frozen=True, slots=True)
class Option:
    """How a field is given on the command line.

    Attributes:
        flag: For instance ``"--opset"``.
        help: What it does.
        metavar: What stands for the value in ``--help``; by default its type or its choices.
        choices: The values that it may have; any where empty.
        parse: From the text that was given to the field's value; by default the value is used as it is.
        shown_default: What ``--help`` says of the default where the value itself says little.
    """

    flag: str
    help: str
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    parse: Callable[[str], Any] | None = None
    shown_default: str | None = None

    @property
    def parameter(self) -> str:
        """Name of the command's parameter."""
        return self.flag.removeprefix("--").replace("-", "_")


def option(default: Any, given: Option, *, outside_key: str = "") -> Any:
    """A field that is an option of the command line.

    Args:
        default: Its default.
        given: How it is given.
        outside_key: Why it is no part of what decides the artefact; every other field is.
    """
    return field(default=default, metadata={_KEY: given, _OUTSIDE_KEY: outside_key})


def setting(default: Any, *, outside_key: str = "") -> Any:
    """A field that the command line derives from options which all targets share.

    Args:
        default: Its default.
        outside_key: As of ``option``.
    """
    return field(default=default, metadata={_OUTSIDE_KEY: outside_key})


def options_of(kind: type) -> Mapping[str, Option]:
    """The options of a dataclass by the name of their field."""
    return {each.name: each.metadata[_KEY] for each in fields(kind) if _KEY in each.metadata}


def types_of(kind: type) -> Mapping[str, Any]:
    """The types of a dataclass's fields by name."""
    return get_type_hints(kind)


def defaults_of(kind: type) -> Mapping[str, Any]:
    """The defaults of a dataclass's fields by name."""
    return {each.name: each.default for each in fields(kind)}


def decisive(options: Any) -> dict[str, Any]:
    """The values that decide an artefact, by name: all of a dataclass but those declared outside the key."""
    return {
        each.name: getattr(options, each.name)
        for each in fields(options)
        if not each.metadata.get(_OUTSIDE_KEY)
    }
