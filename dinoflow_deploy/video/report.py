"""What was done, and how long each stage took."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from threading import Lock
from typing import Any

STAGES = ("decode", "engine", "render", "encode", "save_flow")


class Stopwatch:
    """Seconds spent in each stage, by whichever thread."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.seconds: dict[str, float] = defaultdict(float)
        self._adding = Lock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            with self._adding:
                self.seconds[name] += spent

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self.began


@dataclass(frozen=True, slots=True)
class VideoReport:
    """The outcome of :func:`~dinoflow_deploy.video.flow_video`.

    Attributes:
        input: What was read.
        output: The video or picture written; ``None`` where flow files are all there is.
        save_flow: The folder of flow files; ``None`` without them.
        engine: The engine's description.
        render: How flow was drawn; ``None`` without a video.
        backward: Whether backward flow was drawn and saved too.
        occluded: Mean share of a frame's pixels, from 0 to 1, that are hidden in the next frame or have left
            it; ``None`` where it was not asked for.
        frames: Frames used.
        pairs: Pairs of them.
        pictures: Frames of the output: one for each pair, but for those too fast for a GIF; 0 without a
            video.
        width: Width of the output in pixels; ``None`` without a video.
        height: Its height.
        flow_width: Width in pixels of flow as it was drawn and saved.
        flow_height: Its height.
        computed_width: Width of the frames that it was computed on.
        computed_height: Their height.
        rate: Nominal frames per second of the frames used.
        max_flow: Motion in pixels that is drawn fully saturated; ``None`` without a video.
        beyond_scale: Share of the pairs, from 0 to 1, with much motion over 1.5 times ``max_flow``; ``None``
            without a video.
        seconds: From the first frame to the finished file.
        seconds_to_first_flow: From the beginning to the first pair's flow.
        stage_seconds: Time spent in each stage; stages overlap, several pictures are drawn at a time, and
            a GPU has two pairs at a time, so the sum, and one of these alone, may exceed ``seconds``.
        dropped: Frames of a live source that arrived while all stages were busy.
        interrupted: Whether the user stopped it; what is written is complete up to there.
        damage: Why the source ended early or is incomplete; ``None`` when all is well.
        notes: What else the user should know.
    """

    input: str
    output: str | None
    save_flow: str | None
    engine: dict[str, Any]
    render: str | None
    backward: bool
    occluded: float | None
    frames: int
    pairs: int
    pictures: int
    width: int | None
    height: int | None
    flow_width: int
    flow_height: int
    computed_width: int
    computed_height: int
    rate: Fraction
    max_flow: float | None
    beyond_scale: float | None
    seconds: float
    seconds_to_first_flow: float
    stage_seconds: dict[str, float]
    dropped: int
    interrupted: bool
    damage: str | None
    notes: tuple[str, ...]

    @property
    def pairs_per_second(self) -> float:
        """Pairs per second of the whole pipeline."""
        return self.pairs / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        values = asdict(self)
        return values | {"rate": float(self.rate), "pairs_per_second": self.pairs_per_second}
