import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from dinoflow_deploy.inspection.element_types import bytes_of
from dinoflow_deploy.inspection.onnx_walk import element_type
from dinoflow_deploy.inspection.wording import size

FIXED = set(TensorProto.DataType.values()) - {TensorProto.UNDEFINED, TensorProto.STRING}


@pytest.mark.parametrize("number", sorted(FIXED))
def test_values_take_the_bytes_that_onnx_writes(number: int) -> None:
    """Three of them, so that packed ones end within a byte."""
    tensor = numpy_helper.from_array(np.zeros(3, helper.tensor_dtype_to_np_dtype(number)))
    assert tensor.data_type == number
    assert bytes_of(element_type(number), 3) == len(tensor.raw_data)


@pytest.mark.parametrize("number", [TensorProto.STRING, TensorProto.UNDEFINED, 99])
def test_a_type_without_a_length_takes_none(number: int) -> None:
    assert bytes_of(element_type(number), 3) == 0


def test_sizes_are_in_decimal_units() -> None:
    counts = (0, 999, 1000, 1_049_999, 5_260_000, 2_000_000_000)
    assert [size(count) for count in counts] == [
        "0 bytes",
        "999 bytes",
        "1.0 KB",
        "1.0 MB",
        "5.3 MB",
        "2.0 GB",
    ]
