import pytest

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export import ExportOptions
from dinoflow_deploy.export.options import DYNAMIC_INPUTS, parse_inputs


def test_default_is_dynamic_and_verified() -> None:
    options = ExportOptions()
    assert options.inputs == DYNAMIC_INPUTS
    assert str(options.inputs) == "batch 1..16, height 64..2048, width 64..2048"
    assert options.verify
    assert not options.overwrite
    assert [ExportOptions(precision=each).opset for each in ("fp32", "fp16", "bf16")] == [20, 20, 22]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"precision": "int8"}, "'int8' is not one of fp32, fp16"),
        ({"model_input": "pixels"}, "the input 'pixels' is not one of images, frames"),
        ({"precision": "bf16", "opset": 20}, "opset 20 has no bfloat16 convolution: bf16 needs opset 22"),
        ({"opset": 19}, "opset 19 is outside 20 to 22"),
        ({"opset": 23}, "opset 23 is outside 20 to 22"),
        (
            {"inputs": InputRange(AxisRange.fixed(1), AxisRange.fixed(48), AxisRange.fixed(64))},
            "a height of 48 px is below 64",
        ),
    ],
)
def test_refuses_what_it_cannot_do(arguments: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match=message):
        ExportOptions(**arguments)


@pytest.mark.parametrize(
    ("size", "batch", "shown"),
    [
        (None, "dynamic", "batch 1..16, height 64..2048, width 64..2048"),
        ("448x1024", "1", "batch 1, height 448, width 1024"),
        ("448x1024", "dynamic", "batch 1..16, height 448, width 1024"),
        (None, "4", "batch 4, height 64..2048, width 64..2048"),
    ],
)
def test_size_and_batch(size: str | None, batch: str, shown: str) -> None:
    assert str(parse_inputs(size, batch)) == shown


@pytest.mark.parametrize(
    ("size", "batch", "message"),
    [
        ("100x128", "1", "a height of 100 is not a multiple of 16"),
        ("128x100", "1", "a width of 100 is not a multiple of 16"),
        ("128", "1", "not written HEIGHTxWIDTH"),
        ("128x-64", "1", "not written HEIGHTxWIDTH"),
        (None, "0", "neither a number from 1 up nor 'dynamic'"),
        (None, "many", "neither a number from 1 up nor 'dynamic'"),
    ],
)
def test_refuses_sizes_and_batches(size: str | None, batch: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_inputs(size, batch)
