"""The shapes that a plan or a package is built for."""

import re
from dataclasses import dataclass
from typing import Final

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.errors import InputError

DEFAULT_SHAPES: Final = InputRange(AxisRange.fixed(1), AxisRange(64, 448, 1088), AxisRange(64, 1024, 1920))
"""One pair of any size up to 1080p, tuned for 448x1024. A plan takes the memory of its largest shape."""


@dataclass(frozen=True, slots=True)
class RequestedShapes:
    """What is asked of an artefact's shapes, axis by axis; what is not asked for is of ``DEFAULT_SHAPES``.

    Attributes:
        batch: Pairs in one call.
        height: Height in px.
        width: Width in px.
    """

    batch: AxisRange | None = None
    height: AxisRange | None = None
    width: AxisRange | None = None

    @classmethod
    def of(cls, inputs: InputRange) -> "RequestedShapes":
        """Exactly these."""
        return cls(inputs.batch, inputs.height, inputs.width)

    def within(self, available: InputRange, artefact: str = "plan") -> InputRange:
        """The artefact's shapes.

        Args:
            available: Shapes that the ONNX file takes.
            artefact: What it is called in errors.

        Raises:
            InputError: What is asked for is not among them.
        """
        return InputRange(
            _axis(f"{artefact}'s batch", self.batch, DEFAULT_SHAPES.batch, available.batch),
            _axis(f"{artefact}'s height", self.height, DEFAULT_SHAPES.height, available.height),
            _axis(f"{artefact}'s width", self.width, DEFAULT_SHAPES.width, available.width),
        )


ANY_SHAPES: Final = RequestedShapes()
"""Nothing asked for."""


def _axis(name: str, wanted: AxisRange | None, default: AxisRange, available: AxisRange) -> AxisRange:
    if wanted is None:
        return AxisRange(*(_clamp(length, available) for length in _lengths(default)))
    if _lengths(wanted) != tuple(_clamp(length, available) for length in _lengths(wanted)):
        raise InputError(
            f"the {name} of {wanted} is outside that of the ONNX file, {available}: ask for a "
            "smaller range, or export the model again with a larger one"
        )
    return wanted


def _lengths(axis: AxisRange) -> tuple[int, int, int]:
    if axis.max is None:
        raise InputError(f"a plan's range needs an end, and '{axis}' has none: give min, opt and max")
    return axis.min, axis.opt, axis.max


def _clamp(length: int, available: AxisRange) -> int:
    return max(available.min, length if available.max is None else min(length, available.max))


def parse_profile(minimum: str, optimum: str, maximum: str) -> InputRange:
    """The range that ``--min``, ``--opt`` and ``--max`` stand for.

    Args:
        minimum: Smallest shape, ``"HEIGHTxWIDTH"`` or ``"HEIGHTxWIDTH,BATCH"``; a batch not given is 1.
        optimum: Shape that the plan is tuned for.
        maximum: Largest shape.

    Raises:
        InputError: They are not written so, are not in order, or a side is not a multiple of 16.
    """
    corners = [_corner(text) for text in (minimum, optimum, maximum)]
    height, width, batch = (AxisRange(*lengths) for lengths in zip(*corners, strict=True))
    return InputRange(batch, height, width)


def _corner(text: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)(?:,(\d+))?", text)
    if match is None:
        raise InputError(f"the shape '{text}' is not written HEIGHTxWIDTH,BATCH, for instance 448x1024,1")
    height, width, batch = match.groups(default="1")
    return int(height), int(width), int(batch)
