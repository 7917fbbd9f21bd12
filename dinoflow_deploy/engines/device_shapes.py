"""Shapes of arrays that are given to an engine where it computes."""

from dinoflow_deploy.bundles.model_input import ModelInput
from dinoflow_deploy.errors import InputError

Shape = tuple[int, ...]


def check_pictures(first: Shape, second: Shape, taken: ModelInput) -> None:
    """Refuse arrays that are no pairs of pictures.

    Args:
        first: Shape of the first array.
        second: Of the second.
        taken: How the model takes pictures.

    Raises:
        InputError: The first is not of that form, or the second is of another shape.
    """
    if not taken.holds(first):
        raise InputError(f"{taken.tensors[0]}: {taken} is needed, not {list(first)}")
    check_shape(taken.tensors[1], second, first)


def check_shape(name: str, found: Shape, due: Shape) -> None:
    """Refuse another shape.

    Raises:
        InputError: It is another one.
    """
    if found != due:
        raise InputError(f"{name}: {list(due)} is needed, not {list(found)}")
