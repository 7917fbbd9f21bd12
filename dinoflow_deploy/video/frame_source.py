"""What every source of frames gives: frames with timestamps, and what was noticed on the way."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, takewhile
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self, TypeVar

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow.arrays import Image

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a source.

    Attributes:
        index: Number of the frame in its source, from 0.
        image: ``uint8 [H, W, 3]``, RGB, upright.
        pts: When it is shown, in units of the source's time base; 0 for the first frame given.
    """

    index: int
    image: Image
    pts: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which frames of a source are used: ``source[start : start + count * stride : stride]``.

    Attributes:
        start: Number of the first frame used, from 0.
        count: Most frames used; ``None`` for all that follow.
        stride: Distance between frames used. Neighbours among them form the pairs.
    """

    start: int = 0
    count: int | None = None
    stride: int = 1

    def __post_init__(self) -> None:
        if self.start < 0:
            raise InputError(f"start is {self.start}: the first frame is number 0")
        if self.stride < 1:
            raise InputError(f"stride is {self.stride}: it must be at least 1 (every frame)")
        if self.count is not None and self.count < 2:
            raise InputError(f"frames is {self.count}: flow needs at least 2 frames")

    def of(self, items: Iterable[T]) -> Iterator[T]:
        """The selected ones of ``items``; none behind the last of them is read."""
        stop = None if self.count is None else self.start + (self.count - 1) * self.stride + 1
        return islice(items, self.start, stop, self.stride)

    def size(self, total: int | None) -> int | None:
        """How many frames are used of a source of ``total`` frames (``None``: not known)."""
        if total is None:
            return None
        following = len(range(self.start, total, self.stride))
        return following if self.count is None else min(self.count, following)


class FrameSource(ABC):
    """A clip, a sequence of images, or a live stream.

    Attributes:
        name: What the user called it.
        rate: Nominal frames per second.
        time_base: Seconds per unit of :attr:`Frame.pts`.
        count: Number of frames, as far as the source says; ``None`` if not known.
        files: The local files it is read from.
        live: Frames arrive whether or not somebody waits for them.
        pixel_aspect: Width of a pixel divided by its height, upright; known after the first frame.
        notes: What the user should know of how the frames were read, one sentence each.
        damage: Why the frames ended early or are incomplete; ``None`` when all is well.
        stop: Ends the frames when set, also while those before the first one used are read.
    """

    def __init__(self, name: str, *, rate: Fraction, time_base: Fraction, live: bool = False) -> None:
        self.name = name
        self.rate = rate
        self.time_base = time_base
        self.live = live
        self.count: int | None = None
        self.files: Sequence[Path] = ()
        self.pixel_aspect = Fraction(1)
        self.notes: list[str] = []
        self.damage: str | None = None
        self.stop = Event()

    @abstractmethod
    def frames(self, selection: Selection) -> Generator[Frame, None, None]:
        """Give the selected frames in order, once; what the source holds is released at the end.

        Raises:
            VideoError: A frame cannot be read.
        """

    def until_stopped(self, items: Iterable[T]) -> Iterator[T]:
        """The items, as long as nobody sets :attr:`stop`."""
        return takewhile(lambda _: not self.stop.is_set(), items)

    def close(self) -> None:  # noqa: B027 - not every source holds something
        """Release what the source holds; may be called again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def rate_of_its_own(name: str, rate: Fraction | None = None) -> InputError:
    """The error of a rate that is given for a source that holds times."""
    known = "" if rate is None else f" ({float(rate):.4g} fps)"
    return InputError(f"fps is for images and bare streams, which hold no times; {name} keeps its own{known}")


def check_max_side(max_side: int | None) -> None:
    """Refuse frames that no engine takes.

    Raises:
        InputError: ``max_side`` is below 16.
    """
    if max_side is not None and max_side < 16:
        raise InputError(f"max-side is {max_side}: frames need at least 16 pixels")


def fitted_size(width: int, height: int, max_side: int | None) -> tuple[int, int]:
    """Size of a frame whose longer side is at most ``max_side``, both sides even where it shrinks."""
    if max_side is None or max(width, height) <= max_side:
        return width, height
    # Down to an even length, from which the shorter side follows.
    scale = max_side // 2 * 2 / max(width, height)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
