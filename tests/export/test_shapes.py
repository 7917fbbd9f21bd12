import pytest

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.options import DYNAMIC_INPUTS, parse_inputs
from dinoflow_deploy.export.shapes import ANY_SHAPES, DEFAULT_SHAPES, RequestedShapes, parse_profile


def test_a_profile_is_read() -> None:
    expected = InputRange(AxisRange(1, 1, 4), AxisRange(64, 448, 1088), AxisRange(64, 1024, 1920))
    assert parse_profile("64x64,1", "448x1024", "1088x1920,4") == expected


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        (("64", "448x1024", "1088x1920"), "the shape '64' is not written HEIGHTxWIDTH,BATCH"),
        (("64x64", "448x1024", "1088x1920,"), "the shape '1088x1920,' is not written"),
        (("64x64", "448x1000", "1088x1920"), "a width of 1000 is not a multiple of 16"),
        (("64x64", "1104x1024", "1088x1920"), "min 64, opt 1104, max 1088 is empty"),
        (("64x64,2", "448x1024,1", "1088x1920,4"), "min 2, opt 1, max 4 is empty"),
        (("64x64,0", "448x1024,1", "1088x1920,4"), "min 0, opt 1, max 4 is empty"),
    ],
)
def test_a_profile_that_is_none_is_refused(corners: tuple[str, str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_profile(*corners)


def test_what_is_not_asked_for_is_the_default_within_the_file() -> None:
    assert ANY_SHAPES.within(DYNAMIC_INPUTS) == DEFAULT_SHAPES
    static = parse_inputs("64x112", "2")
    assert ANY_SHAPES.within(static) == static
    narrow = InputRange(AxisRange(2, 2, 8), AxisRange(128, 128, 512), AxisRange(1536, 1600, None))
    assert ANY_SHAPES.within(narrow) == InputRange(
        AxisRange.fixed(2), AxisRange(128, 448, 512), AxisRange(1536, 1536, 1920)
    )


def test_what_is_asked_for_is_given_or_refused() -> None:
    size = parse_inputs("448x1024", "3")
    assert RequestedShapes.of(size).within(DYNAMIC_INPUTS) == size
    with pytest.raises(InputError, match=r"the plan's height of 64\.\.4096 is outside .* 64\.\.2048"):
        RequestedShapes(height=AxisRange(64, 448, 4096)).within(DYNAMIC_INPUTS)
    with pytest.raises(InputError, match=r"the plan's batch of 3 is outside .*, 1: ask for"):
        RequestedShapes(batch=AxisRange.fixed(3)).within(parse_inputs(None, "1"))
    with pytest.raises(InputError, match="needs an end"):
        RequestedShapes(height=AxisRange(64, 448, None)).within(DYNAMIC_INPUTS)
