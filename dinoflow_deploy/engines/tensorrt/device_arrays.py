"""Arrays on the device, from and to other libraries: PyTorch, CuPy, JAX, Numba.

They are passed by DLPack (https://dmlc.github.io/dlpack) or by ``__cuda_array_interface__``, version 3
(https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dinoflow_deploy.bundles.model_input import FLOW_TYPE
from dinoflow_deploy.engines.tensorrt.cuda import Cuda
from dinoflow_deploy.engines.tensorrt.cuda_memory import DeviceMemory, nbytes
from dinoflow_deploy.engines.tensorrt.cuda_stream import Stream
from dinoflow_deploy.engines.tensorrt.dlpack import (
    CUDA,
    CUDA_MANAGED,
    FLOAT32,
    Description,
    make_capsule,
    read_capsule,
)
from dinoflow_deploy.errors import InputError

_TYPESTRS: Final = {"<f4": "float32", "|u1": "uint8"}
ALIGNMENT: Final = 256
"""Bytes that TensorRT wants addresses to be a multiple of."""


class DeviceArray:
    """A float32 array in C order on a CUDA device, which owns its memory.

    ``torch.from_dlpack(array)`` and ``cupy.from_dlpack(array)`` share it without a copy, as does whatever
    takes ``__cuda_array_interface__``. It is complete: nothing has to be waited for. Its memory is given back
    when neither it nor anything that shares it is left; it outlives the engine that made it.

    Attributes:
        shape: Lengths of the axes.
        device_index: Which CUDA device.
    """

    def __init__(self, cuda: Cuda, shape: Sequence[int], device_index: int) -> None:
        self.shape = tuple(shape)
        self.device_index = device_index
        self._memory = DeviceMemory(cuda, nbytes(shape, FLOW_TYPE))

    @property
    def address(self) -> int:
        """Of the first value, on the device."""
        return self._memory.address

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": "<f4",
            "data": (self.address, False),
            "version": 3,
            "strides": None,
            "stream": None,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return CUDA, self.device_index

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        # Complete when it is handed out, so that no stream has to wait; versions above 0 are an offer only.
        del stream, max_version
        if copy or dl_device not in (None, self.__dlpack_device__()):
            raise BufferError("this array is shared where it is: copy it with the library that takes it")
        return make_capsule(self.address, self.shape, self.__dlpack_device__(), self)


@dataclass(frozen=True, slots=True)
class DeviceView:
    """Somebody else's array in C order on the device.

    Attributes:
        address: Of the first value.
        shape: Lengths of the axes.
        owner: What keeps the memory; to be held for as long as the device may use it.
    """

    address: int
    shape: tuple[int, ...]
    owner: Any


def view_of(
    array: Any,
    name: str,
    cuda: Cuda,
    stream: Stream,
    device_index: int,
    *,
    dtype: str = FLOW_TYPE,
    write: bool = False,
) -> DeviceView:
    """Share an array, and let a stream wait for what is being done to it.

    DLPack is preferred: its producer is told the stream and orders its own work before it.

    Args:
        array: With ``__dlpack__`` or ``__cuda_array_interface__``.
        name: What to call it in an error.
        cuda: The runtime.
        stream: Where it will be used.
        device_index: The device where it has to be.
        dtype: Type that its values have to be of.
        write: Whether it will be written to.

    Raises:
        InputError: It has neither protocol, or is of another type, layout, device or alignment.
    """
    producer = None
    if hasattr(array, "__dlpack__") and hasattr(array, "__dlpack_device__"):
        view, kind = _from_dlpack(array, name, stream, device_index)
    elif hasattr(array, "__cuda_array_interface__"):
        view, kind, producer = _from_cuda_array(array, name, write=write)
    else:
        raise InputError(
            f"{name}: an array on cuda:{device_index} with __dlpack__ or __cuda_array_interface__ is needed, "
            f"not {type(array).__name__}"
        )
    if kind != dtype:
        raise InputError(f"{name}: {dtype} values are needed, not {kind}")
    found = cuda.device_of(view.address)
    if found != device_index:
        raise _elsewhere(name, found, device_index)
    if view.address % ALIGNMENT:
        raise InputError(
            f"{name}: its first value is at an address that is no multiple of {ALIGNMENT} bytes, as TensorRT "
            "needs it: copy it to memory of its own"
        )
    if producer is not None:
        # Last, since a stream of another device cannot be waited for here.
        stream.wait_for(producer)
    return view


def _from_dlpack(array: Any, name: str, stream: Stream, device_index: int) -> tuple[DeviceView, str]:
    kind, index = map(int, array.__dlpack_device__())
    if kind not in (CUDA, CUDA_MANAGED):
        raise InputError(
            f"{name}: it is not on a CUDA device (DLPack's device type {kind}): copy it there, or call the "
            "engine itself with frames on the host"
        )
    if kind == CUDA and index != device_index:
        # Its library would be asked to wait on a stream of another device.
        raise _elsewhere(name, index, device_index)
    try:
        capsule = array.__dlpack__(stream=stream.handle)
        found = read_capsule(capsule)
    except (BufferError, RuntimeError, TypeError) as error:
        raise InputError(f"{name}: it cannot be shared: {error}") from error
    _check_order(name, found.shape, found.strides, 1)
    return DeviceView(found.address, found.shape, capsule), _type_name(found)


def _from_cuda_array(array: Any, name: str, *, write: bool) -> tuple[DeviceView, str, int | None]:
    """The array, its type, and the stream that works on it, if one does."""
    said = array.__cuda_array_interface__
    (address, read_only), shape, kind = said["data"], tuple(said["shape"]), said["typestr"]
    if write and read_only:
        raise InputError(f"{name}: it is read-only")
    _check_order(name, shape, said.get("strides"), int(kind[2:]))
    return DeviceView(address, shape, array), _TYPESTRS.get(kind, kind), said.get("stream")


def _elsewhere(name: str, found: int | None, device_index: int) -> InputError:
    where = "not in a device's memory" if found is None else f"on cuda:{found}"
    return InputError(f"{name}: it is {where}, and the engine is on cuda:{device_index}: copy it there")


def _type_name(found: Description) -> str:
    code, bits, _ = found.kind
    names = {0: "int", 1: "uint", 2: "float", 4: "bfloat"}
    return "float32" if found.kind == FLOAT32 else f"{names.get(code, f'type {code} of bits ')}{bits}"


def _check_order(name: str, shape: tuple[int, ...], strides: Sequence[int] | None, unit: int) -> None:
    """Refuse other layouts than C order; an axis of one item may have any stride."""
    if strides is None:
        return
    due = unit
    for length, stride in zip(reversed(shape), reversed(strides), strict=True):
        if length != 1 and stride != due:
            raise InputError(f"{name}: its values are not in C order: make it contiguous")
        due *= length
