"""The two forms in which a model takes a pair of pictures: as float images, or as frames of bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One of these forms.

    Attributes:
        name: ``"images"`` or ``"frames"``.
        tensors: Names of the model's two inputs, the first picture's first.
        dtype: Name of the type of their values.
        channels_last: Whether a pixel's channels lie side by side.
    """

    name: str
    tensors: tuple[str, str]
    dtype: str
    channels_last: bool

    @property
    def axes(self) -> tuple[int, int, int]:
        """Which axes are batch, height and width."""
        return (0, 1, 2) if self.channels_last else (0, 2, 3)

    def shape(self, batch: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Shape of one of the two inputs."""
        return (batch, height, width, 3) if self.channels_last else (batch, 3, height, width)

    def lengths(self, shape: Sequence[int]) -> tuple[int, int, int]:
        """Batch, height and width of a shape."""
        batch, height, width = (shape[axis] for axis in self.axes)
        return batch, height, width

    def flow_shape(self, shape: Sequence[int]) -> tuple[int, int, int, int]:
        """Shape ``[batch, 2, height, width]`` of the flow of inputs of a shape."""
        batch, height, width = self.lengths(shape)
        return batch, 2, height, width

    def holds(self, shape: Sequence[int | str | None]) -> bool:
        """Whether a shape has four axes, and three channels where this form has them."""
        return len(shape) == 4 and shape[3 if self.channels_last else 1] == 3

    def __str__(self) -> str:
        axes = ("batch", "height", "width", "3") if self.channels_last else ("batch", "3", "height", "width")
        return f"[{', '.join(axes)}]"


FLOW_TYPE: Final = "float32"
"""Type of the flow, which both give."""
IMAGES: Final = ModelInput("images", ("image1", "image2"), "float32", channels_last=False)
"""``float32 [batch, 3, height, width]`` in [0, 1]."""
FRAMES: Final = ModelInput("frames", ("frame1", "frame2"), "uint8", channels_last=True)
"""``uint8 [batch, height, width, 3]``, as cameras and files give them: a quarter of the bytes."""
MODEL_INPUTS: Final = {each.name: each for each in (IMAGES, FRAMES)}
NAMES_OF_FORMS: Final = " or ".join(", ".join(each.tensors) for each in MODEL_INPUTS.values())
"""What flow is computed from, in messages."""


def model_input_of(names: Iterable[str]) -> ModelInput | None:
    """The form whose tensors have these names, in any order; ``None`` if neither has."""
    found = sorted(names)
    return next((each for each in MODEL_INPUTS.values() if sorted(each.tensors) == found), None)
