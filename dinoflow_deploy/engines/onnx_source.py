"""What engines of ONNX files have in common: what they open, and what a file must compute."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.input_range import MINIMUM_SIDE, AxisRange, InputRange
from dinoflow_deploy.errors import FileFormatError, InputError


def opened(source: Path | Bundle) -> tuple[Bundle | None, Path]:
    """A bundle, if it is one, and the path by which the source is known."""
    if isinstance(source, Bundle):
        return source, source.folder
    return Bundle.open(source) if source.is_dir() else None, source


def check_names(inputs: Iterable[str], outputs: Sequence[str], path: Path) -> None:
    """Refuse a model that does not compute ``flow`` from ``image1`` and ``image2``.

    Raises:
        FileFormatError: It computes something else.
    """
    found = sorted(inputs)
    if found != ["image1", "image2"] or list(outputs) != ["flow"]:
        raise FileFormatError(
            f"{path} is not an optical-flow model, which computes flow from image1, image2: "
            f"it computes {', '.join(outputs)} from {', '.join(found)}"
        )


def input_range(shape: Sequence[int | str | None], path: Path) -> InputRange:
    """The shapes that a file without a manifest takes.

    Args:
        shape: Of its images; a dynamic axis has a name in place of a number.
        path: The file.

    Raises:
        FileFormatError: They are not images of a model of optical flow.
    """
    if len(shape) != 4 or shape[1] != 3:
        raise FileFormatError(f"{path} takes images of shape {shape}: it must be [batch, 3, height, width]")
    batch, _, height, width = shape
    try:
        return InputRange(_axis(batch, 1), _axis(height, MINIMUM_SIDE), _axis(width, MINIMUM_SIDE))
    except InputError as error:
        raise FileFormatError(f"{path} takes images of shape {shape}: {error}") from error


def _axis(length: int | str | None, least: int) -> AxisRange:
    return AxisRange.fixed(length) if isinstance(length, int) else AxisRange(least, least, None)


def one_line(error: Exception) -> str:
    """What an exception says, on one line."""
    return " ".join(str(error).split())
