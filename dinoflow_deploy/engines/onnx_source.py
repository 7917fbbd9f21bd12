"""What engines of ONNX files have in common: what they open, what a file must compute, how it is fed."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.input_range import MINIMUM_SIDE, AxisRange, InputRange
from dinoflow_deploy.bundles.model_input import FRAMES, NAMES_OF_FORMS, ModelInput, model_input_of
from dinoflow_deploy.engines.base import FlowEngine
from dinoflow_deploy.engines.frames import Pictures, Tensor
from dinoflow_deploy.errors import EngineError, FileFormatError, InputError


class OnnxFileEngine(FlowEngine):
    """An engine of ONNX files: pictures go in by name, in the file's own type; flow comes out as float32."""

    runtime: ClassVar[str]
    """What runs the file, in messages."""
    _type: Any
    """NumPy's type of the inputs, set by the constructor."""

    @abstractmethod
    def _run_file(self, feeds: Mapping[str, Pictures]) -> Tensor:
        """The flow of pictures by their names; whatever it raises becomes an ``EngineError``."""

    def _run(self, images1: Pictures, images2: Pictures) -> Tensor:
        feeds = {
            name: images.astype(self._type, copy=False)
            for name, images in zip(self._model_input.tensors, (images1, images2), strict=True)
        }
        try:
            flow = self._run_file(feeds)
        except Exception as error:
            given = f"{self._model_input.name} {list(images1.shape)}"
            raise EngineError(
                f"{self.runtime} failed on {self.describe().device} with {given}: {one_line(error)}"
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


def model_input(inputs: Iterable[str], outputs: Sequence[str], path: Path) -> ModelInput:
    """How a file takes a pair of pictures, by the names of its inputs.

    Raises:
        FileFormatError: It computes something else than ``flow`` from one of the forms of a pair.
    """
    names = sorted(inputs)
    found = model_input_of(names)
    if found is None or list(outputs) != ["flow"]:
        raise FileFormatError(
            f"{path} is not an optical-flow model, which computes flow from {NAMES_OF_FORMS}: "
            f"it computes {', '.join(outputs)} from {', '.join(names)}"
        )
    return found


def stored_as(
    types: Mapping[str, tuple[str, Any]], found: str, taken: ModelInput, path: Path
) -> tuple[str, Any]:
    """The precision that the type of a file's inputs tells, and NumPy's type of them.

    Args:
        types: Both for each type, by the runtime's name.
        found: The runtime's name for that of the file.
        taken: How it takes pictures.
        path: The file.

    Raises:
        FileFormatError: It is none that these pictures have.
    """
    if found not in types or (types[found][1] is np.uint8) != (taken is FRAMES):
        wanted = "uint8" if taken is FRAMES else "float32 or float16"
        raise FileFormatError(f"{path} takes {taken.name} of {found}: they must be {wanted}")
    return types[found]


def input_range(shape: Sequence[int | str | None], taken: ModelInput, path: Path) -> InputRange:
    """The shapes that a file without a manifest takes.

    Args:
        shape: Of its inputs; a dynamic axis has a name in place of a number.
        taken: How it takes pictures.
        path: The file.

    Raises:
        FileFormatError: They are not those of a model of optical flow.
    """
    if not taken.holds(shape):
        raise FileFormatError(f"{path} takes {taken.name} of shape {shape}: it must be {taken}")
    batch, height, width = (shape[axis] for axis in taken.axes)
    try:
        return InputRange(_axis(batch, 1), _axis(height, MINIMUM_SIDE), _axis(width, MINIMUM_SIDE))
    except InputError as error:
        raise FileFormatError(f"{path} takes {taken.name} of shape {shape}: {error}") from error


def _axis(length: int | str | None, least: int) -> AxisRange:
    return AxisRange.fixed(length) if isinstance(length, int) else AxisRange(least, least, None)


def one_line(error: Exception) -> str:
    """What an exception says, on one line."""
    return " ".join(str(error).split())
