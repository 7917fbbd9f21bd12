"""Open lengths against plain integers: what is computed once holds for every input."""

from collections.abc import Callable

import pytest

from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.graph.lengths import (
    Length,
    Quotient,
    Sum,
    broadcast,
    product,
    remaining,
    same,
    terms_of,
)

EXAMPLE = {"batch": 3, "columns": 11, "rows": 7}
OTHER = {"batch": 5, "columns": 4, "rows": 9}
B, C, R = (Length.named(name, value) for name, value in EXAMPLE.items())


def at(length: int, values: dict[str, int]) -> int:
    """A length for other inputs."""
    return sum(
        count * int(product([values[name] for name in factors]))
        for factors, count in terms_of(length).items()
    )


@pytest.mark.parametrize(
    "formula",
    [
        lambda b, c, r: 5 + r * c,
        lambda b, c, r: (r * 16 - 15 - 1) // 16 + 1,
        lambda b, c, r: 2 * b * (r + c + 1) - 3,
        lambda b, c, r: 7 - r + 2 * c * c * b,
        lambda b, c, r: 4 * r * c * b // (2 * c),
        lambda b, c, r: (r - r) + 4,
    ],
)
def test_arithmetic_holds_for_every_input(formula: Callable[..., int]) -> None:
    length = formula(B, C, R)
    assert int(length) == formula(*EXAMPLE.values())
    assert at(length, OTHER) == formula(*OTHER.values())


def test_what_depends_on_nothing_is_a_plain_integer() -> None:
    assert type(R - R + 4) is int
    assert type(4 * R // R) is int
    assert not isinstance(product([]), Length)


def test_a_reshape_leaves_what_is_not_named() -> None:
    tokens = 5 + R * C
    assert remaining((B, tokens, 128), (B, tokens, 4)) == 32
    assert same(remaining((2 * B, 32, R * C), (2, 32, R, C)), B)
    assert same(remaining((R, C, 16), (16,)), R * C)


def test_broadcasting_keeps_open_lengths() -> None:
    shape = broadcast((B, 1, R, C), (32, 1, 1), (1, C))
    assert [same(*pair) for pair in zip(shape, (B, 32, R, C), strict=True)] == [True] * 4


@pytest.mark.parametrize("other", [7, C, 2 * R], ids=str)
def test_lengths_that_are_equal_by_chance_are_not_combined(other: int) -> None:
    with pytest.raises(ExportError, match="differ for some inputs"):
        broadcast((R,), (other,))


@pytest.mark.parametrize(
    "use",
    [
        lambda r: r == 7,
        lambda r: r < 8,
        lambda r: r % 2,
        lambda r: r // 2,
        lambda r: (r + 1) // r,
        lambda r: 3 // r,
        lambda r: r / 2,
        lambda r: r**2,
        lambda r: -r,
        lambda r: {r: 1},
    ],
)
def test_what_a_graph_cannot_compute_is_refused(use: Callable[[Length], object]) -> None:
    with pytest.raises(ExportError, match=r"the open length (1 \+ )?rows what"):
        use(R)


def test_a_quotient_knows_its_length() -> None:
    quotient = 2 / (4 * C)
    assert isinstance(quotient, Quotient)
    assert quotient == 2 / 44
    assert (quotient.numerator, at(quotient.length, OTHER)) == (2, 16)


def test_a_sum_knows_its_length() -> None:
    for total in (4 * C - 0.5, 4 * C + -0.5):
        assert isinstance(total, Sum)
        assert total == 43.5
        assert (at(total.length, OTHER), total.number) == (16, -0.5)
