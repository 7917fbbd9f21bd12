"""Shapes of arrays that are given to an engine where it computes."""

from dinoflow_deploy.errors import InputError

Shape = tuple[int, ...]


def check_images(image1: Shape, image2: Shape) -> None:
    """Refuse arrays that are no pairs of images.

    Raises:
        InputError: The first is not ``[batch, 3, height, width]``, or the second is of another shape.
    """
    if len(image1) != 4 or image1[1] != 3:
        raise InputError(f"image1: [batch, 3, height, width] is needed, not {list(image1)}")
    check_shape("image2", image2, image1)


def check_shape(name: str, found: Shape, due: Shape) -> None:
    """Refuse another shape.

    Raises:
        InputError: It is another one.
    """
    if found != due:
        raise InputError(f"{name}: {list(due)} is needed, not {list(found)}")
