"""Lengths of axes that an exported graph leaves open."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from dinoflow_deploy.errors import ExportError

Factors = tuple[str, ...]
"""Names of open lengths in alphabetical order, multiplied; none for 1."""


class Length(int):
    """A length that follows from the shape of the input: a sum of products of open lengths.

    As an integer it is the length in the example that is traced, so that torch takes it wherever it takes
    lengths. Its arithmetic keeps what it follows from. What would lose that is an error, as is a comparison:
    its result would hold for the example alone. What Python computes without asking, such as ``2.0 * length``
    with a float on the left, ``trace`` finds by a second example.

    Args:
        value: Length in the example.
        terms: How often each product occurs.
    """

    terms: Mapping[Factors, int]

    def __new__(cls, value: int, terms: Mapping[Factors, int]) -> "Length":
        """An integer with terms."""
        length = super().__new__(cls, value)
        length.terms = dict(sorted(terms.items()))
        return length

    @classmethod
    def named(cls, name: str, value: int) -> "Length":
        """An open length."""
        return cls(value, {(name,): 1})

    @property
    def key(self) -> tuple[tuple[Factors, int], ...]:
        """The same for the same length."""
        return tuple(self.terms.items())

    def __repr__(self) -> str:
        return " + ".join(
            "*".join([str(count), *factors] if count != 1 or not factors else factors)
            for factors, count in self.terms.items()
        )

    # A length, or a ``Sum`` where a float is added: ``int`` has no such overload to override.
    def __add__(self, other: float) -> Any:
        if not isinstance(other, int):
            return Sum(self, other)
        terms = Counter(self.terms)
        terms.update(terms_of(other))
        return _length(int(self) + int(other), terms)

    def __sub__(self, other: float) -> Any:
        return self + other * -1

    def __rsub__(self, other: int) -> int:
        return self * -1 + other

    def __mul__(self, other: int) -> int:
        terms: Counter[Factors] = Counter()
        for factors, count in self.terms.items():
            for further, times in terms_of(other).items():
                terms[tuple(sorted(factors + further))] += count * times
        return _length(int(self) * int(other), terms)

    def __floordiv__(self, other: int) -> int:
        ((divisor, times),) = terms_of(other).items() if len(terms_of(other)) == 1 else self._refuse()
        terms = {}
        for factors, count in self.terms.items():
            rest = Counter(factors)
            rest.subtract(divisor)
            if count % times or min(rest.values(), default=0) < 0:
                self._refuse()
            terms[tuple(sorted(rest.elements()))] = count // times
        return _length(int(self) // int(other), terms)

    def __rtruediv__(self, other: float) -> "Quotient":
        return Quotient(other, self)

    __radd__, __rmul__ = __add__, __mul__

    def _refuse(self, *_: Any) -> NoReturn:
        raise ExportError(f"the model computes with the open length {self} what an exported graph cannot")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = _refuse
    __truediv__ = __mod__ = __divmod__ = __pow__ = __neg__ = __abs__ = _refuse
    __rfloordiv__ = __rmod__ = __rdivmod__ = __rpow__ = _refuse


class Quotient(float):
    """A number divided by an open length; as a float, what it is in the traced example."""

    numerator: float
    length: Length

    def __new__(cls, numerator: float, length: Length) -> "Quotient":
        """A float that knows what it is of."""
        quotient = super().__new__(cls, numerator / int(length))
        quotient.numerator, quotient.length = numerator, length
        return quotient


class Sum(float):
    """An open length plus a number; as a float, what it is in the traced example."""

    length: Length
    number: float

    def __new__(cls, length: Length, number: float) -> "Sum":
        """A float that knows what it is of."""
        total = super().__new__(cls, int(length) + number)
        total.length, total.number = length, number
        return total


Shape = tuple[int, ...]
"""Lengths of a tensor's axes, some of which may be a :class:`Length`."""

_ONE: Final[Factors] = ()


def terms_of(length: int) -> Mapping[Factors, int]:
    """The terms of a length; those of a plain integer are itself times 1."""
    return length.terms if isinstance(length, Length) else {_ONE: length}


def same(first: int, second: int) -> bool:
    """Whether two lengths are equal for every input."""
    return terms_of(first) == terms_of(second)


def product(lengths: Sequence[int]) -> int:
    """Number of elements."""
    result = 1
    for length in lengths:
        result = length * result
    return result


def remaining(source: Shape, known: Sequence[int]) -> int:
    """The length that a reshape leaves open: what the known ones leave of the source."""
    left, divisors = list(source), []
    for length in known:
        match = next((index for index, other in enumerate(left) if same(length, other)), None)
        if match is None:
            divisors.append(length)
        else:
            del left[match]
    return product(left) // product(divisors)


def broadcast(*shapes: Shape) -> Shape:
    """Shape of an element-wise operation.

    Raises:
        ExportError: Lengths differ, be it for another input alone.
    """
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(_common(lengths) for lengths in zip(*padded, strict=True))


def _common(lengths: tuple[int, ...]) -> int:
    longer = [length for length in lengths if not same(length, 1)]
    if any(not same(longer[0], length) for length in longer):
        raise ExportError(f"the model combines lengths that differ for some inputs: {longer}")
    return longer[0] if longer else 1


def _length(value: int, terms: Mapping[Factors, int]) -> int:
    kept = {factors: count for factors, count in terms.items() if count}
    return Length(value, kept) if kept.keys() - {_ONE} else value
