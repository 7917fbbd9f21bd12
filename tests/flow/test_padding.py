import numpy as np
import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import Padding


def test_the_odd_row_and_column_go_last() -> None:
    padding = Padding(height=2, width=3, padded_height=5, padded_width=4)
    assert (padding.top, padding.left) == (1, 0)
    padded = np.arange(20).reshape(5, 4)
    np.testing.assert_array_equal(padding.crop(padded), [[4, 5, 6], [8, 9, 10]])


@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_crop_is_a_view_of_the_last_two_axes(leading: tuple[int, ...]) -> None:
    padded = np.random.default_rng(0).random((*leading, 448, 1024), dtype=np.float32)
    cropped = Padding(436, 1024, 448, 1024).crop(padded)
    np.testing.assert_array_equal(cropped, padded[..., 6:442, :])
    assert np.shares_memory(cropped, padded)


def test_one_fixed_size_refuses_larger_images() -> None:
    with pytest.raises(InputError, match=r"400x1242 .* does not fit in 384x1248"):
        Padding(400, 1242, 384, 1248)


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, -1)])
def test_empty_images_are_refused(height: int, width: int) -> None:
    with pytest.raises(InputError, match="at least 1x1"):
        Padding(height, width, 16, 16)


def test_arrays_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match="does not end in height 32 and width 48"):
        Padding(20, 40, 32, 48).crop(np.zeros((2, 20, 40)))
