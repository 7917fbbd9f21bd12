import struct

import numpy as np
import pytest

from dinoflow_deploy.video.orientation import turns_on_its_side, upright

ONE = 1 << 16


def display_matrix(a, b, c, d):
    return struct.pack("=9i", a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)


def moved(image, a, b, c, d):
    """Each pixel put where the definition says, then shifted into view."""
    height, width = image.shape[:2]
    targets = {(a * p + c * q, b * p + d * q): image[q, p] for q in range(height) for p in range(width)}
    left, top = (min(place[axis] for place in targets) for axis in (0, 1))
    shape = (width, height) if a == 0 else (height, width)
    result = np.zeros((*shape, 3), np.uint8)
    for (x, y), color in targets.items():
        result[y - top, x - left] = color
    return result


@pytest.mark.parametrize("diagonal", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
@pytest.mark.parametrize("on_its_side", [False, True])
def test_the_eight_orientations_follow_the_definition(diagonal, on_its_side):
    image = np.random.default_rng(1).integers(0, 256, (3, 5, 3), np.uint8)
    first, second = diagonal
    values = (0, first, second, 0) if on_its_side else (first, 0, 0, second)
    matrix = display_matrix(*values)
    result = upright(image, matrix)
    np.testing.assert_array_equal(result, moved(image, *values))
    assert result.flags.c_contiguous
    assert turns_on_its_side(matrix) == on_its_side


def test_no_matrix_leaves_the_frame():
    image = np.zeros((3, 5, 3), np.uint8)
    assert upright(image, None) is image
    assert not turns_on_its_side(None)
