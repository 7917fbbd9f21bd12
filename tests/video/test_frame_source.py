import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.video.frame_source import Selection, fitted_size


@pytest.mark.parametrize("start", [0, 3, 50])
@pytest.mark.parametrize("count", [None, 2, 5, 100])
@pytest.mark.parametrize("stride", [1, 2, 7])
def test_selection_is_a_slice(start, count, stride):
    numbers = list(range(40))
    expected = numbers[start : None if count is None else start + count * stride : stride]
    selection = Selection(start, count, stride)
    assert list(selection.of(iter(numbers))) == expected
    assert selection.size(40) == len(expected)
    assert selection.size(None) is None


def test_selection_reads_nothing_behind_its_last_frame():
    numbers = iter(range(40))
    assert list(Selection(start=4, count=3, stride=5).of(numbers)) == [4, 9, 14]
    assert next(numbers) == 15


@pytest.mark.parametrize("values", [{"start": -1}, {"stride": 0}, {"count": 1}])
def test_selection_refuses(values):
    with pytest.raises(InputError, match=str(next(iter(values.values())))):
        Selection(**values)


@pytest.mark.parametrize(
    ("size", "max_side", "expected"),
    [
        ((640, 480), None, (640, 480)),
        ((641, 479), 641, (641, 479)),
        ((1920, 1080), 960, (960, 540)),
        ((1080, 1920), 960, (540, 960)),
        ((1000, 667), 500, (500, 334)),
        ((4000, 16), 100, (100, 2)),
        ((1000, 500), 51, (50, 24)),
        ((1001, 1001), 503, (502, 502)),
        ((501, 1003), 999, (498, 998)),
    ],
)
def test_fitted_size(size, max_side, expected):
    assert fitted_size(*size, max_side) == expected
