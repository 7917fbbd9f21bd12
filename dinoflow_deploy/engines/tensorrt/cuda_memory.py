"""Memory of the device, and host memory that the device copies from and to without waiting."""

import ctypes
import weakref
from collections.abc import Sequence
from math import prod
from typing import Final

import numpy as np

from dinoflow_deploy.engines.frames import Tensor
from dinoflow_deploy.engines.tensorrt.cuda import Cuda

FLOAT_BYTES: Final = 4


class DeviceMemory:
    """Float32 values on the device that is current when it is made; freed when closed or forgotten.

    Attributes:
        address: Where they begin.
        capacity: How many there are.
    """

    def __init__(self, cuda: Cuda, capacity: int) -> None:
        self.capacity = capacity
        self.address = cuda.allocate("cudaMalloc", capacity * FLOAT_BYTES)
        self._free = weakref.finalize(self, cuda.attempt, "cudaFree", self.address)

    def close(self) -> None:
        """Give it back; may be called again."""
        self._free()


class PinnedMemory:
    """Page-locked float32 values on the host; freed when closed or forgotten.

    Attributes:
        address: Where they begin.
        capacity: How many there are.
    """

    def __init__(self, cuda: Cuda, capacity: int) -> None:
        self.capacity = capacity
        self.address = cuda.allocate("cudaHostAlloc", capacity * FLOAT_BYTES, 0)
        self._free = weakref.finalize(self, cuda.attempt, "cudaFreeHost", self.address)

    def view(self, shape: Sequence[int]) -> Tensor:
        """Its beginning as an array, ``float32`` of ``shape``, which must not outlive it."""
        values = (ctypes.c_float * prod(shape)).from_address(self.address)
        return np.ctypeslib.as_array(values).reshape(shape)

    def close(self) -> None:
        """Give it back; may be called again."""
        self._free()


class Buffers:
    """Memory for one tensor: pinned on the host and on the device, which grows when it must.

    Args:
        cuda: The runtime.
    """

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._device: DeviceMemory | None = None
        self._pinned: PinnedMemory | None = None

    def device(self, shape: Sequence[int]) -> int:
        """Address on the device of room for ``shape``; nothing may be using the buffer if it has to grow."""
        if self._device is None or self._device.capacity < prod(shape):
            if self._device:
                self._device.close()
            self._device = DeviceMemory(self._cuda, prod(shape))
        return self._device.address

    def pinned(self, shape: Sequence[int]) -> Tensor:
        """Room for ``shape`` on the host."""
        if self._pinned is None or self._pinned.capacity < prod(shape):
            if self._pinned:
                self._pinned.close()
            self._pinned = PinnedMemory(self._cuda, prod(shape))
        return self._pinned.view(shape)

    def close(self) -> None:
        """Give everything back."""
        for memory in (self._device, self._pinned):
            if memory:
                memory.close()
