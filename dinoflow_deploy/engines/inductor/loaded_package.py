"""A package in this process."""

from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from dinoflow_deploy.errors import EngineError, FileFormatError


class LoadedPackage:
    """A package that was loaded, native code and weights; it computes one call at a time.

    It checks nothing of what it is given: images of another shape than it was compiled for would be read
    beyond their end.

    Args:
        path: The file, which runs with the rights of this process.
        device: Where it computes.

    Raises:
        FileFormatError: It is not such a package.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        self._device = device
        # What torch._inductor.aoti_load_package makes, which first compiles C++ to describe this machine.
        # Single-threaded means without the events between calls that no CUDA graph can hold.
        make: Any = torch._C._aoti.AOTIModelPackageLoader
        try:
            self._loader = make(str(path), "model", True, 1, device.index if device.type == "cuda" else -1)
        except RuntimeError as error:
            raise FileFormatError(f"torch cannot load {path}: {_first_line(error)}") from error
        self.lock = Lock()
        """Held by whoever calls, until the result is complete."""

    def __call__(self, image1: Tensor, image2: Tensor) -> Tensor:
        """Compute flow, on a GPU in the order of the current stream.

        Args:
            image1: Pictures as it takes them, contiguous, of a shape that it was compiled for.
            image2: The same shape.

        Returns:
            float32 ``[B, 2, H, W]``, new at each call.

        Raises:
            EngineError: It failed.
        """
        try:
            (flow,) = self._loader.boxed_run([image1, image2])
        except RuntimeError as error:
            raise EngineError(
                f"the package failed on {self._device} with images {list(image1.shape)}: {_first_line(error)}"
            ) from error
        result: Tensor = flow
        return result


def _first_line(error: RuntimeError) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
