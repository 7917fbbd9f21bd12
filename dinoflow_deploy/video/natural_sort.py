"""Names in the order that people give them."""

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

_INTEGER: Final = re.compile(r"([0-9]+)")
# One point between digits, not two: 2024.9.30 and 1.2.3 are integers in a row.
_DECIMAL: Final = re.compile(r"((?<![0-9]\.)[0-9]+\.[0-9]+(?![0-9]|\.[0-9])|[0-9]+)")


def natural_sort(paths: Sequence[Path]) -> list[Path]:
    """Sort paths with the numbers in them as numbers: ``frame2`` before ``frame10``.

    A number with one point is a decimal fraction, as ``time.time()`` writes it: ``1.25``, ``1.5``, ``1.75``.
    But where one of them has a fraction of several digits that ends in 0, as no shortest way of writing a
    number does, they are pairs of counters: ``shot1.9``, ``shot1.10``. (Fractions of one length, as of
    ``%.6f``, sort alike either way.) A suffix is not part of a number. Names with equal numbers, such as
    ``1`` and ``01``, stand in the order of their characters.

    Args:
        paths: In any order, which does not matter.
    """
    # Folder by folder, since what is written so in one need not be in another.
    levels = zip_longest(*map(_names, paths), fillvalue="")
    patterns = [_numbers(set(names)) for names in levels]

    def key(path: Path) -> tuple[list[list[object]], str]:
        return [_split(*each) for each in zip(patterns, _names(path), strict=False)], str(path)

    return sorted(paths, key=key)


def _names(path: Path) -> tuple[str, ...]:
    return (*path.parts[:-1], path.stem)


def _numbers(names: Iterable[str]) -> re.Pattern[str]:
    """What a number in these names is."""
    fractions = (number.partition(".")[2] for name in names for number in _DECIMAL.findall(name))
    counters = any(len(fraction) > 1 and fraction.endswith("0") for fraction in fractions)
    return _INTEGER if counters else _DECIMAL


def _split(numbers: re.Pattern[str], name: str) -> list[object]:
    """Texts and numbers in turn, so that like is compared with like; a number as its two parts."""
    parts: list[object] = list(numbers.split(name))
    for place in range(1, len(parts), 2):
        whole, _, fraction = str(parts[place]).partition(".")
        parts[place] = (int(whole), fraction.rstrip("0"))
    return parts
