"""Another library's array on the modelled device, written on a stream of that library."""

from typing import Any, Self

import numpy as np

from dinoflow_deploy.engines.tensorrt.dlpack import CUDA, make_capsule
from tests.tensorrt_model.cuda import CudaRuntime
from tests.tensorrt_model.machine import Machine


class DeviceTensor:
    """Speaks both protocols; ``DlpackTensor`` and ``CudaArray`` speak one.

    Its values come by work on ``stream`` that may not have been done yet: who does not wait for it reads NaN.
    """

    dtype: str | None = None
    """What is said of the type, where it is not that of the values."""
    strides: tuple[int, ...] | None = None
    read_only = False

    def __init__(self, machine: Machine, values: np.ndarray, stream: int = 1) -> None:
        self.machine = machine
        self.values = values
        self.stream = stream
        self.memory = machine.allocate("device", values.nbytes)
        self.handed_to: list[int | None] = []
        machine.put(machine.stream(stream), self._write)

    @classmethod
    def random(cls, machine: Machine, shape: tuple[int, ...], seed: int, stream: int = 1) -> Self:
        return cls(machine, np.random.default_rng(seed).random(shape, np.float32), stream)

    @property
    def _held(self) -> np.ndarray:
        return self.memory.array(self.values.nbytes // 4).view(self.values.dtype).reshape(self.values.shape)

    def _write(self) -> None:
        self._held[:] = self.values

    def read(self) -> np.ndarray:
        return self._held.copy()

    def free(self) -> None:
        self.machine.release("device", self.memory.address)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.values.shape,
            "typestr": self.dtype or self.values.dtype.str,
            "data": (self.memory.address, self.read_only),
            "version": 3,
            "strides": self.strides,
            "stream": self.stream,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return CUDA, self.memory.device

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        self.handed_to.append(stream)
        assert self.memory.device == self.machine.current, "PyTorch refuses this"
        runtime = CudaRuntime(self.machine)
        _, event = runtime.cudaEventCreateWithFlags(2)
        runtime.cudaEventRecord(event, self.stream)
        runtime.cudaStreamWaitEvent(stream, event, 0)
        runtime.cudaEventDestroy(event)
        return make_capsule(
            self.memory.address, self.values.shape, self.__dlpack_device__(), self, self.values.dtype.str
        )


class CudaArray(DeviceTensor):
    """As Numba's arrays: without DLPack."""

    __dlpack__ = property()  # type: ignore[assignment]


class DlpackTensor(DeviceTensor):
    """As JAX's arrays: DLPack alone."""

    __cuda_array_interface__ = property()  # type: ignore[assignment]
