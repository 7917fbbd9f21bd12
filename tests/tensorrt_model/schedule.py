"""When a GPU does its work: at once, when somebody waits for it, or in any order that it may."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

ORDERS: Final = ("now", "late", "any")
"""At once; as late as can be; any order that streams and events allow, by a seeded draw."""
Work = Callable[[], None]


@dataclass
class Wait:
    """An event: what follows has to wait until so many items of another stream are done."""

    other: "Stream"
    until: int


@dataclass(eq=False)
class Stream:
    device: int
    items: list[Work | Wait | None] = field(default_factory=list)
    done: int = 0
    captured: list[Work | Wait] | None = None
    broken: bool = False
    alive: bool = True

    def put(self, item: Work | Wait) -> None:
        (self.items if self.captured is None else self.captured).append(item)

    @property
    def is_idle(self) -> bool:
        return self.done == len(self.items)

    @property
    def is_ready(self) -> bool:
        """Whether its next item may be done now."""
        if self.is_idle:
            return False
        item = self.items[self.done]
        return not isinstance(item, Wait) or item.other.done >= item.until

    def step(self) -> None:
        # What is done is let go of, with what it held.
        item, self.items[self.done] = self.items[self.done], None
        self.done += 1
        if callable(item):
            item()

    def run(self, until: int) -> None:
        """In order, and of other streams no more than events ask for."""
        while self.done < until:
            item = self.items[self.done]
            if isinstance(item, Wait):
                item.other.run(item.until)
            self.step()


class Schedule:
    """Does the work of streams in one of the ``ORDERS``."""

    def __init__(self, order: str, seed: str) -> None:
        assert order in ORDERS
        self.order = order
        self._random = random.Random(seed)

    def pass_time(self, streams: Iterable[Stream]) -> None:
        """What a GPU does by itself between two calls."""
        if self.order == "now":
            for stream in streams:
                stream.run(len(stream.items))
        elif self.order == "any":
            for _ in range(self._random.randrange(3)):
                self._step(streams)

    def finish(self, stream: Stream, streams: Iterable[Stream]) -> None:
        """Until everything that is on a stream now is done."""
        until = len(stream.items)
        if self.order != "any":
            stream.run(until)
        while stream.done < until:
            self._step(streams)

    def _step(self, streams: Iterable[Stream]) -> None:
        ready = [stream for stream in streams if stream.is_ready]
        if ready:
            self._random.choice(ready).step()
