"""Options of the data sets."""

from collections.abc import Sequence

from dinoflow_deploy.errors import InputError

CAMERAS = ("left", "right")
DIRECTIONS = ("future", "past")


def ordered(k: int, direction: str) -> tuple[int, int]:
    """First and second frame of the pair between frames k and k+1; into the past the later one is first."""
    return (k, k + 1) if direction == "future" else (k + 1, k)


def check_choice(option: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a value that is not one of those allowed.

    Raises:
        InputError: It is not.
    """
    if value not in allowed:
        raise InputError(f"{option} is {value!r}; give one of {', '.join(allowed)}")


def check_choices(option: str, values: Sequence[str], allowed: Sequence[str]) -> None:
    """Refuse a list that is empty, repeats a value or holds one that is not allowed.

    Raises:
        InputError: It does; a plain string in place of a list is refused too.
    """
    if isinstance(values, str) or not values or len(set(values)) < len(values):
        raise InputError(f"{option} is {values!r}; give a list of one or more of {', '.join(allowed)}")
    for value in values:
        check_choice(option, value, allowed)
