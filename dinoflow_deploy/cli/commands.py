"""What the commands' ``--help`` looks like: no types of Python, and paragraphs as wide as the terminal."""

from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "help": _unwrapped(kwargs.get("help"))})

    def get_params(self, ctx: Any) -> list[Any]:
        """As ``TyperCommand``'s, shown without types."""
        return without_types(super().get_params(ctx))


class Group(TyperGroup):
    """A command of several."""

    def get_params(self, ctx: Any) -> list[Any]:
        """As ``TyperGroup``'s, shown without types."""
        return without_types(super().get_params(ctx))


def _unwrapped(text: str | None) -> str | None:
    """A docstring with each paragraph on one line; Typer keeps line ends in all but the first."""
    return text and "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def without_types(params: list[Any]) -> list[Any]:
    """Arguments and switches without their type in Python: ``<bool>`` looks like a value to give."""
    for param in params:
        if isinstance(param, TyperArgument) or param.is_flag:
            # Set on the object, since Typer makes it of its own class.
            vars(param)["display_type_rich"] = lambda ctx: None
    return params
