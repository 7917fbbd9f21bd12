"""Memory of the device, and host memory that the device copies from and to without waiting."""

import ctypes
import weakref
from collections.abc import Sequence
from math import prod

import numpy as np

from dinoflow_deploy.engines.frames import Pictures
from dinoflow_deploy.engines.tensorrt.cuda import Cuda


def nbytes(shape: Sequence[int], dtype: str) -> int:
    """Bytes of an array."""
    return prod(shape) * np.dtype(dtype).itemsize


class DeviceMemory:
    """Memory of the device that is current when it is made; freed when closed or forgotten.

    Attributes:
        address: Where it begins.
        capacity: Its bytes.
    """

    def __init__(self, cuda: Cuda, capacity: int) -> None:
        self.capacity = capacity
        self.address = cuda.allocate("cudaMalloc", capacity)
        self._free = weakref.finalize(self, cuda.attempt, "cudaFree", self.address)

    def close(self) -> None:
        """Give it back; may be called again."""
        self._free()


class PinnedMemory:
    """Page-locked memory of the host; freed when closed or forgotten.

    Attributes:
        address: Where it begins.
        capacity: Its bytes.
    """

    def __init__(self, cuda: Cuda, capacity: int) -> None:
        self.capacity = capacity
        self.address = cuda.allocate("cudaHostAlloc", capacity, 0)
        self._free = weakref.finalize(self, cuda.attempt, "cudaFreeHost", self.address)

    def view(self, shape: Sequence[int], dtype: str) -> Pictures:
        """Its beginning as an array, which must not outlive it."""
        values = (ctypes.c_ubyte * nbytes(shape, dtype)).from_address(self.address)
        return np.ctypeslib.as_array(values).view(dtype).reshape(shape)

    def close(self) -> None:
        """Give it back; may be called again."""
        self._free()


class Buffers:
    """Memory for one tensor: pinned on the host and on the device, which grows when it must.

    Args:
        cuda: The runtime.
        dtype: Type of the tensor's values.
    """

    def __init__(self, cuda: Cuda, dtype: str) -> None:
        self._cuda = cuda
        self._dtype = dtype
        self._device: DeviceMemory | None = None
        self._pinned: PinnedMemory | None = None

    def device(self, shape: Sequence[int]) -> int:
        """Address on the device of room for ``shape``; nothing may be using the buffer if it has to grow."""
        needed = nbytes(shape, self._dtype)
        if self._device is None or self._device.capacity < needed:
            if self._device:
                self._device.close()
            self._device = DeviceMemory(self._cuda, needed)
        return self._device.address

    def pinned(self, shape: Sequence[int]) -> Pictures:
        """Room for ``shape`` on the host."""
        needed = nbytes(shape, self._dtype)
        if self._pinned is None or self._pinned.capacity < needed:
            if self._pinned:
                self._pinned.close()
            self._pinned = PinnedMemory(self._cuda, needed)
        return self._pinned.view(shape, self._dtype)

    def close(self) -> None:
        """Give everything back."""
        for memory in (self._device, self._pinned):
            if memory:
                memory.close()
