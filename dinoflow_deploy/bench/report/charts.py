"""Line charts as inline SVG, coloured by the page's style sheet."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 12, 46
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of a chart.

    Attributes:
        title: What it shows, with its unit.
        low: Value at its beginning.
        high: Value at its end, above ``low``.
        ticks: Where it is labelled, and how.
    """

    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]


Points = Sequence[tuple[float, float]]


def even_axis(title: str, low: float, high: float) -> Axis:
    """An axis with ticks at round values, about five of them, widened to the next one."""
    high = high if high > low else low + 1
    step = _round_step((high - low) / _TICKS)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [(number * step, f"{number * step:g}") for number in range(first, last + 1)]
    return Axis(title, first * step, last * step, ticks)


def line_chart(lines: Mapping[str, Points], x: Axis, y: Axis, *, markers: bool = False) -> str:
    """Lines over two axes with a legend.

    Args:
        lines: Points of each line by name; not connected where a value is NaN.
        x: The horizontal axis.
        y: The vertical axis.
        markers: Whether points are marked.
    """
    parts = [_frame(x, y)]
    for number, (name, points) in enumerate(lines.items()):
        parts.append(_line(name, number, points, x, y, markers=markers))
    legend = "".join(
        f'<li><span class="key k{number % 6}"></span>{escape(name)}</li>' for number, name in enumerate(lines)
    )
    label = escape(f"{y.title} over {x.title}", quote=True)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
        f'<ul class="legend">{legend}</ul>'
    )


def _frame(x: Axis, y: Axis) -> str:
    bottom, middle = _HEIGHT - _BOTTOM, (_LEFT + _WIDTH - _RIGHT) / 2
    parts = [
        f'<text x="{middle:.0f}" y="{_HEIGHT - 6}" class="title">{escape(x.title)}</text>',
        f'<text transform="translate(13 {(_TOP + bottom) / 2:.0f}) rotate(-90)" class="title">'
        f"{escape(y.title)}</text>",
    ]
    for value, label in x.ticks:
        at = _across(value, x)
        parts.append(f'<line x1="{at:.1f}" y1="{_TOP}" x2="{at:.1f}" y2="{bottom}" class="grid"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 16}" class="tick">{escape(label)}</text>')
    for value, label in y.ticks:
        at = _down(value, y)
        parts.append(f'<line x1="{_LEFT}" y1="{at:.1f}" x2="{_WIDTH - _RIGHT}" y2="{at:.1f}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" class="tick left">{escape(label)}</text>')
    return "".join(parts)


def _line(name: str, number: int, points: Points, x: Axis, y: Axis, *, markers: bool) -> str:
    color = f"c{number % 6}"
    known = [(a, b) for a, b in points if not math.isnan(b)]
    path = " ".join(f"{_across(a, x):.1f},{_down(b, y):.1f}" for a, b in known)
    drawn = f'<polyline points="{path}" class="line {color}"><title>{escape(name)}</title></polyline>'
    if markers:
        drawn += "".join(
            f'<circle cx="{_across(a, x):.1f}" cy="{_down(b, y):.1f}" r="3.5" class="dot {color}">'
            f"<title>{escape(name)}: {b:.3g}</title></circle>"
            for a, b in known
        )
    return drawn


def _across(value: float, axis: Axis) -> float:
    return _LEFT + (value - axis.low) / (axis.high - axis.low) * (_WIDTH - _LEFT - _RIGHT)


def _down(value: float, axis: Axis) -> float:
    return _HEIGHT - _BOTTOM - (value - axis.low) / (axis.high - axis.low) * (_HEIGHT - _TOP - _BOTTOM)


def _round_step(step: float) -> float:
    """The next of 1, 2, 5, 10, ... times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * (1 - 1e-9))
