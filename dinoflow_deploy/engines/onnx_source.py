"""What engines of ONNX files have in common: what they open, what a file must compute, how it is fed."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.input_range import MINIMUM_SIDE, AxisRange, InputRange
from dinoflow_deploy.engines.base import FlowEngine
from dinoflow_deploy.engines.frames import Tensor
from dinoflow_deploy.errors import EngineError, FileFormatError, InputError


class OnnxFileEngine(FlowEngine):
    """An engine of ONNX files: images go in by name, in the file's own type; flow comes out as float32."""

    runtime: ClassVar[str]
    """What runs the file, in messages."""
    _type: Any
    """NumPy's type of the images, set by the constructor."""

    @abstractmethod
    def _run_file(self, feeds: Mapping[str, Tensor]) -> Tensor:
        """The flow of images by their names; whatever it raises becomes an ``EngineError``."""

    def _run(self, images1: Tensor, images2: Tensor) -> Tensor:
        feeds = {
            "image1": images1.astype(self._type, copy=False),
            "image2": images2.astype(self._type, copy=False),
        }
        try:
            flow = self._run_file(feeds)
        except Exception as error:
            raise EngineError(
                f"{self.runtime} failed on {self.describe().device} with images {list(images1.shape)}: "
                f"{one_line(error)}"
            ) from error
        return flow.astype(np.float32, copy=False)


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads that is none.

    Raises:
        InputError: It is below 1.
    """
    if threads is not None and threads < 1:
        raise InputError(f"intra_op_threads is {threads}: it must be at least 1")


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
