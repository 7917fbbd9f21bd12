"""The shapes that a plan takes: one or several ranges, each of which TensorRT tuned apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dinoflow_deploy.bundles.input_range import STRIDE, AxisRange, InputRange
from dinoflow_deploy.bundles.model_input import ModelInput
from dinoflow_deploy.errors import FileFormatError, InputError


@dataclass(frozen=True, slots=True)
class Profiles:
    """The profiles of a plan in TensorRT's order.

    Attributes:
        ranges: Shapes of each.
        rebuild: Command that builds a plan for other shapes, without the shapes.
        taken: How the plan takes pictures.
    """

    ranges: tuple[InputRange, ...]
    rebuild: str
    taken: ModelInput

    @classmethod
    def read(cls, cuda_engine: Any, rebuild: str, taken: ModelInput) -> "Profiles":
        """Of a TensorRT engine whose tensors were checked.

        Raises:
            FileFormatError: Its two inputs take different shapes, or shapes that are no multiples of 16.
        """
        first, second = (tuple(_ranges(cuda_engine, name, taken)) for name in taken.tensors)
        if first != second:
            raise FileFormatError(
                f"the plan takes other shapes for {taken.tensors[1]} ({_listed(second)}) than for "
                f"{taken.tensors[0]} ({_listed(first)}): give both the same profiles"
            )
        return cls(first, rebuild, taken)

    @property
    def hull(self) -> InputRange:
        """Every axis from the least to the greatest length of any profile, tuned for what the first is."""
        return InputRange(
            *(
                AxisRange(
                    min(axis.min for axis in axes), axes[0].opt, max(axis.max or axis.min for axis in axes)
                )
                for axes in zip(*map(_axes, self.ranges), strict=True)
            )
        )

    @property
    def is_static(self) -> bool:
        """Whether the plan takes one shape only."""
        return all(axis.is_static for axis in _axes(self.hull))

    def choose(self, batch: int, height: int, width: int) -> int:
        """Number of the first profile that holds a shape.

        Args:
            batch: Pairs in one call.
            height: Padded height in px.
            width: Padded width in px.

        Raises:
            InputError: None does.
        """
        for index, shapes in enumerate(self.ranges):
            if all(_holds(axis, length) for axis, length in _lengths(shapes, batch, height, width)):
                return index
        raise InputError(
            f"{batch} pairs of {height}x{width} (height x width) are outside the plan's range: "
            f"{_listed(self.ranges)}. {self._advice(batch, height, width)}"
        )

    def check_largest(self, batch: int, height: int, width: int) -> None:
        """Refuse frames that padding cannot bring into any profile.

        Args:
            batch: Pairs in one call, for the command that helps.
            height: Height of the frames in px.
            width: Their width.

        Raises:
            InputError: They are too large.
        """
        hull = self.hull
        if any(side > (axis.max or side) for axis, side in ((hull.height, height), (hull.width, width))):
            raise InputError(
                f"frames of {height}x{width} pixels (height x width) are too large for this plan, which "
                f"takes {_listed(self.ranges)}. {self._advice(batch, height, width)}"
            )

    def _advice(self, batch: int, height: int, width: int) -> str:
        hull, resize = self.hull, "Resize the frames"
        if len(self.ranges) == 1:
            resize = hull.resize_advice(height, width).capitalize()
        needed = [-(-side // STRIDE) * STRIDE for side in (height, width)]
        if self.is_static:
            pairs = max(batch, hull.batch.min)
            return f"{resize}, or run: {self.rebuild} --size {_size(needed)} --batch {pairs}"
        lengths = list(zip((hull.height, hull.width, hull.batch), (*needed, batch), strict=True))
        corners = {
            "min": [min(axis.min, length) for axis, length in lengths],
            "opt": [axis.opt for axis, _ in lengths],
            "max": [max(axis.max or length, length) for axis, length in lengths],
        }
        options = " ".join(f"--{name} {_size(corner)},{corner[2]}" for name, corner in corners.items())
        return f"{resize}, or run: {self.rebuild} {options}"


def _ranges(cuda_engine: Any, name: str, taken: ModelInput) -> Iterator[InputRange]:
    fixed = tuple(cuda_engine.get_tensor_shape(name))
    if -1 not in fixed:
        yield _range([fixed] * 3, taken)
        return
    for index in range(cuda_engine.num_optimization_profiles):
        yield _range([tuple(corner) for corner in cuda_engine.get_tensor_profile_shape(name, index)], taken)


def _range(corners: list[tuple[int, ...]], taken: ModelInput) -> InputRange:
    """From the least, the optimal and the greatest shape of an input."""
    try:
        return InputRange(*(AxisRange(*(corner[axis] for corner in corners)) for axis in taken.axes))
    except (InputError, IndexError) as error:
        raise FileFormatError(
            f"the plan takes {taken.name} of {corners}, which no model does: {error}"
        ) from error


def _axes(shapes: InputRange) -> tuple[AxisRange, AxisRange, AxisRange]:
    return shapes.batch, shapes.height, shapes.width


def _lengths(shapes: InputRange, *lengths: int) -> Iterator[tuple[AxisRange, int]]:
    return zip(_axes(shapes), lengths, strict=True)


def _holds(axis: AxisRange, length: int) -> bool:
    return axis.min <= length <= (axis.max or length)


def _listed(ranges: tuple[InputRange, ...]) -> str:
    return " or ".join(map(str, ranges))


def _size(lengths: list[int]) -> str:
    return f"{lengths[0]}x{lengths[1]}"
