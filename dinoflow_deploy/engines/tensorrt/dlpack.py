"""DLPack capsules, read and made: how array libraries hand memory to each other.

The layout is that of ``dlpack.h``, version 0.8: https://github.com/dmlc/dlpack.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

CPU: Final = 1
CUDA: Final = 2
CUDA_MANAGED: Final = 13
"""Kinds of device, ``DLDeviceType``."""
FLOAT32: Final = (2, 32, 1)
"""Code, bits and lanes of the type, ``DLDataType``."""

# Consumers rename a capsule that they take over, and capsules keep a pointer to their name.
_NAME: Final = b"dltensor"


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


# Prototypes of our own: those of ctypes.pythonapi itself are everybody's.
_capsule_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)
_capsule_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


@dataclass(frozen=True, slots=True)
class Description:
    """What a capsule says.

    Attributes:
        address: Of the first value.
        device: Kind and number of its device.
        kind: Code, bits and lanes of the type.
        shape: Lengths of the axes.
        strides: Values from one item to the next on each axis; ``None`` for C order.
    """

    address: int
    device: tuple[int, int]
    kind: tuple[int, int, int]
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None


def read_capsule(capsule: Any) -> Description:
    """Look into a capsule without taking it over: the memory lives as long as the capsule does.

    Raises:
        BufferError: It is not such a capsule, or was taken over already.
    """
    if not _capsule_is_valid(capsule, _NAME):
        raise BufferError("the DLPack capsule is used up, or of a later version")
    tensor = _tensor_in(capsule)
    return Description(
        address=(tensor.data or 0) + tensor.byte_offset,
        device=(tensor.device_type, tensor.device_id),
        kind=(tensor.code, tensor.bits, tensor.lanes),
        shape=tuple(tensor.shape[: tensor.ndim]),
        strides=tuple(tensor.strides[: tensor.ndim]) if tensor.strides else None,
    )


def make_capsule(
    address: int, shape: Sequence[int], device: tuple[int, int], owner: Any, typestr: str = "<f4"
) -> Any:
    """Lend memory out.

    Args:
        address: Of values in C order.
        shape: Lengths of the axes.
        device: Kind and number of the device.
        owner: What keeps the memory; it is kept until the borrower is done.
        typestr: Type of the values, as NumPy writes it.
    """
    # NumPy makes it, with a destructor in C: one in Python may not run while an exception is on its way. It
    # takes the memory for the host's, at which it never looks.
    capsule = np.asarray(_Lent(address, shape, owner, typestr)).__dlpack__()
    tensor = _tensor_in(capsule)
    tensor.device_type, tensor.device_id = device
    return capsule


class _Lent:
    """What NumPy takes for an array, and keeps."""

    def __init__(self, address: int, shape: Sequence[int], owner: Any, typestr: str) -> None:
        self._owner = owner
        self.__array_interface__ = {
            "data": (address, False),
            "shape": tuple(shape),
            "typestr": typestr,
            "version": 3,
        }


def _tensor_in(capsule: Any) -> _Tensor:
    # The first member of DLManagedTensor.
    return _Tensor.from_address(_capsule_pointer(capsule, _NAME))
