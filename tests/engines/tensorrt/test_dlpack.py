"""DLPack capsules against NumPy and PyTorch, which are independent of ours and of each other."""

import ctypes
import gc
import weakref
from typing import Any

import numpy as np
import pytest
import torch

from dinoflow_deploy.engines.tensorrt.dlpack import (
    CPU,
    CUDA,
    FLOAT32,
    _tensor_in,
    make_capsule,
    read_capsule,
)

pytestmark = pytest.mark.usefixtures("only_new_garbage")


class Lent:
    """Host memory, lent out by our capsules."""

    def __init__(self, values: np.ndarray) -> None:
        self.memory = (ctypes.c_float * values.size)(*values.ravel())
        self.shape = values.shape

    def __dlpack_device__(self) -> tuple[int, int]:
        return CPU, 0

    def __dlpack__(self, **_: Any) -> Any:
        return make_capsule(ctypes.addressof(self.memory), self.shape, self.__dlpack_device__(), self)


VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize("library", [np, torch])
def test_other_libraries_share_what_is_lent(library: Any) -> None:
    lent = Lent(VALUES)
    array = library.from_dlpack(lent)
    np.testing.assert_array_equal(np.asarray(array), VALUES)
    lent.memory[0] = 77
    assert array[0, 0, 0] == 77
    assert array.dtype == library.float32


@pytest.mark.parametrize("library", [np, torch])
def test_memory_lives_until_the_last_borrower_is_gone(library: Any) -> None:
    lent = Lent(VALUES)
    gone = weakref.ref(lent)
    arrays = [library.from_dlpack(lent), library.from_dlpack(lent)]
    del lent
    while arrays:
        gc.collect()
        assert gone() is not None
        np.testing.assert_array_equal(np.asarray(arrays[-1]), VALUES)
        arrays.pop()
    gc.collect()
    assert gone() is None


def test_a_capsule_that_nobody_takes_over_keeps_nothing() -> None:
    lent = Lent(VALUES)
    gone = weakref.ref(lent)
    capsule = lent.__dlpack__()
    del lent
    gc.collect()
    assert gone() is not None
    del capsule
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    "array",
    [np.arange(6, dtype=np.float32).reshape(2, 3), torch.arange(6, dtype=torch.float32).reshape(2, 3)],
    ids=["numpy", "torch"],
)
def test_what_other_libraries_lend_is_read(array: Any) -> None:
    found = read_capsule(array.__dlpack__())
    assert found.device == (CPU, 0)
    assert (found.shape, found.kind) == ((2, 3), FLOAT32)
    assert found.strides in (None, (3, 1))
    read = np.ctypeslib.as_array((ctypes.c_float * 6).from_address(found.address))
    np.testing.assert_array_equal(read, np.arange(6))


def test_offset_strides_and_type_are_read() -> None:
    tensor = torch.zeros(4, 6, dtype=torch.bfloat16)
    found = read_capsule(tensor[1:, 1::2].__dlpack__())
    assert found.address == tensor.data_ptr() + 2 * 7
    assert (found.shape, found.strides, found.kind) == ((3, 3), (6, 2), (4, 16, 1))


def test_an_offset_counts() -> None:
    """NumPy and PyTorch put it into the address; others may not."""
    capsule = VALUES.__dlpack__()
    address = read_capsule(capsule).address
    _tensor_in(capsule).byte_offset = 8
    assert read_capsule(capsule).address == address + 8


def test_reading_does_not_take_over() -> None:
    array = np.arange(6, dtype=np.float32)
    capsule = array.__dlpack__()
    assert read_capsule(capsule) == read_capsule(capsule)
    gone = weakref.ref(array)
    del array, capsule
    gc.collect()
    assert gone() is None


def test_a_capsule_that_is_used_up_is_refused() -> None:
    capsule = torch.zeros(3).__dlpack__()
    torch.utils.dlpack.from_dlpack(capsule)
    with pytest.raises(BufferError, match="used up"):
        read_capsule(capsule)
    with pytest.raises(BufferError):
        read_capsule("no capsule")


def test_a_capsule_may_be_dropped_while_an_exception_is_raised() -> None:
    def lend_and_fail() -> None:
        capsule = Lent(VALUES).__dlpack__()
        raise ValueError(str(read_capsule(capsule).shape))

    for _ in range(100):
        with pytest.raises(ValueError, match=r"\(2, 3, 4\)"):
            lend_and_fail()


def test_the_device_is_the_one_that_was_said() -> None:
    lent = Lent(VALUES)
    capsule = make_capsule(ctypes.addressof(lent.memory), VALUES.shape, (CUDA, 3), lent)
    assert read_capsule(capsule).device == (CUDA, 3)
