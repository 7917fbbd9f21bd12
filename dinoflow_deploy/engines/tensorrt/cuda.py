"""The CUDA runtime through cuda-python: every call checked, every error named.

Streams, events, graphs and memory are handles and addresses (``int``) here; ``cuda_memory`` and
``cuda_stream`` own them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from dinoflow_deploy.errors import DeviceError, EngineError
from dinoflow_deploy.system.optional import is_installed, require

_RUNTIME: Final = "cuda.bindings.runtime"
_NO_GPU: Final = ("cudaErrorNoDevice", "cudaErrorInsufficientDriver", "cudaErrorSystemDriverMismatch")
_MIB: Final = 1 << 20


class Cuda:
    """The CUDA runtime.

    Args:
        purpose: What needs it, as the start of a sentence.

    Raises:
        MissingPackageError: cuda-python is not installed.
    """

    def __init__(self, purpose: str) -> None:
        self._runtime: ModuleType = require(_RUNTIME, purpose)
        self._success = self._runtime.cudaError_t.cudaSuccess

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the runtime.

        Args:
            function: Its name, for instance ``"cudaMalloc"``.
            arguments: What it takes.

        Returns:
            What it gives beside its error code; ``None`` where that is all.

        Raises:
            DeviceError: There is no GPU or driver.
            EngineError: It failed otherwise.
        """
        error, result = self._try(function, arguments)
        if error != self._success:
            raise self._named(function, error)
        return result

    def attempt(self, function: str, *arguments: Any) -> Any:
        """Call a function that gives something back, and fails only if something failed and was told before.

        Returns:
            What it gives, or ``None``.
        """
        return self._try(function, arguments)[1]

    def constant(self, name: str) -> Any:
        """A constant, or a member of an enumeration: ``"cudaMemcpyKind.cudaMemcpyDefault"``."""
        value: Any = self._runtime
        for part in name.split("."):
            value = getattr(value, part)
        return value

    def device_count(self) -> int:
        """Number of GPUs that CUDA can use.

        Raises:
            DeviceError: There is no driver, or no GPU.
        """
        return int(self.call("cudaGetDeviceCount"))

    @contextmanager
    def current_device(self, index: int) -> Iterator[None]:
        """Make a device this thread's, and give the thread its own back afterwards."""
        before = self.call("cudaGetDevice")
        if before == index:
            yield
            return
        self.call("cudaSetDevice", index)
        try:
            yield
        finally:
            self.call("cudaSetDevice", before)

    def compute_capability(self, index: int) -> str:
        """Of a device, for instance ``"9.0"``."""
        major, minor = (
            self.call("cudaDeviceGetAttribute", self.constant(f"cudaDeviceAttr.{name}"), index)
            for name in ("cudaDevAttrComputeCapabilityMajor", "cudaDevAttrComputeCapabilityMinor")
        )
        return f"{major}.{minor}"

    def device_of(self, address: int) -> int | None:
        """Which device memory belongs to; ``None`` if it is not a device's."""
        found = self.call("cudaPointerGetAttributes", address)
        kinds = ("cudaMemoryTypeDevice", "cudaMemoryTypeManaged")
        on_device = [self.constant(f"cudaMemoryType.{kind}") for kind in kinds]
        return int(found.device) if found.type in on_device else None

    def allocate(self, function: str, size: int, *arguments: Any) -> int:
        """Call a function that allocates.

        Raises:
            EngineError: Memory is out.
        """
        try:
            return int(self.call(function, size, *arguments))
        except EngineError as error:
            raise type(error)(f"{error} (for {size / _MIB:.0f} MiB)") from error

    def _try(self, function: str, arguments: tuple[Any, ...]) -> tuple[Any, Any]:
        """Error code and result; some functions give a list of the code alone."""
        error, *results = getattr(self._runtime, function)(*arguments)
        return error, results[0] if results else None

    def _named(self, function: str, error: Any) -> EngineError:
        name, text = error.name, self._text(error)
        if name in _NO_GPU:
            return DeviceError(
                f"TensorRT needs an NVIDIA GPU and a driver for CUDA 13 (580 or newer), and CUDA finds none: "
                f"{name} ({text})"
            )
        if name == "cudaErrorMemoryAllocation":
            whose = "page-locked memory of the host" if "Host" in function else "memory of the GPU"
            return EngineError(
                f"{whose} is out: {function} gave {name}; use smaller frames, a smaller batch, "
                "fewer threads, or a plan with a smaller range"
            )
        return EngineError(f"CUDA failed: {function} gave {name} ({text})")

    def _text(self, error: Any) -> str:
        _, text = self._runtime.cudaGetErrorString(error)
        return text.decode() if isinstance(text, bytes) else str(text)


def gpu_is_usable() -> bool:
    """Whether cuda-python is installed and finds a GPU."""
    if not is_installed(_RUNTIME):
        return False
    try:
        return Cuda("looking for a GPU").device_count() > 0
    except (DeviceError, EngineError, ImportError):
        return False
