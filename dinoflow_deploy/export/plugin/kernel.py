"""The kernels launched directly, by cuda-python from the PTX: for tests and measurements on a GPU."""

import ctypes
from dataclasses import dataclass
from typing import Any

from dinoflow_deploy.errors import DeviceError, InputError
from dinoflow_deploy.export.plugin.launch import ENTRIES, MAXIMUM_RADIUS, THREADS, block_count
from dinoflow_deploy.export.plugin.ptx import load_ptx
from dinoflow_deploy.system.optional import require

_ARGUMENT_TYPES = (*[ctypes.c_void_p] * 2, *[ctypes.c_int] * 4, ctypes.c_void_p)


@dataclass(frozen=True, slots=True)
class Features:
    """Two feature maps on the GPU and the room for their cost volume, as addresses.

    Attributes:
        feature1: ``[B, C, H, W]``, contiguous.
        feature2: The same.
        volume: ``[B, (2 radius + 1)^2, H, W]``, contiguous.
        shape: B, C, H and W.
        kind: Type of all three: ``"fp32"``, ``"fp16"`` or ``"bf16"``.
        radius: 1 to 8.
    """

    feature1: int
    feature2: int
    volume: int
    shape: tuple[int, int, int, int]
    kind: str
    radius: int

    def __post_init__(self) -> None:
        if self.kind not in ENTRIES:
            raise InputError(f"the type is '{self.kind}': use {', '.join(ENTRIES)}")
        if not 1 <= self.radius <= MAXIMUM_RADIUS:
            raise InputError(f"the radius is {self.radius}: use 1 to {MAXIMUM_RADIUS}")
        if min(self.shape) < 1:
            raise InputError(f"the features' shape is {self.shape}: each length needs to be at least 1")


class CorrelationKernel:
    """The kernels in the CUDA context that is current when this is made, such as the one of torch.

    Raises:
        MissingPackageError: cuda-python is not installed.
        DeviceError: There is no driver, no context, or the driver is too old for the PTX.
        ExportError: The PTX was not made of the sources beside it.
    """

    def __init__(self) -> None:
        self._driver = require("cuda.bindings.driver", "launching the kernel")
        try:
            self._call("cuInit", 0)
        except RuntimeError as error:
            raise DeviceError(f"there is no CUDA driver here: {error}") from error
        (module,) = self._call("cuModuleLoadData", load_ptx().encode() + b"\0")
        self._functions = {
            kind: self._call("cuModuleGetFunction", module, name.encode())[0]
            for kind, name in ENTRIES.items()
        }

    def launch(self, features: Features, stream: int) -> None:
        """Compute a cost volume; returns before the GPU is done.

        Args:
            features: What to correlate and where to put it.
            stream: CUDA stream, as an address; 0 is the default one.

        Raises:
            DeviceError: The launch was refused.
        """
        batch, channels, height, width = features.shape
        sizes = (channels, height, width, features.radius)
        values = (features.feature1, features.feature2, *sizes, features.volume)
        blocks = block_count(batch, height, width, features.radius)
        grid_and_block = (blocks, 1, 1, THREADS, 1, 1)
        function = self._functions[features.kind]
        self._call("cuLaunchKernel", function, *grid_and_block, 0, stream, (values, _ARGUMENT_TYPES), 0)

    def _call(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        error, *results = getattr(self._driver, name)(*arguments)
        if error != self._driver.CUresult.CUDA_SUCCESS:
            raise DeviceError(f"{name} failed: {error.name}")
        return tuple(results)
