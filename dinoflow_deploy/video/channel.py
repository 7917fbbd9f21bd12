"""A bounded queue between two threads that can be ended from either side."""

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Cancelled(Exception):  # noqa: N818 - not an error: the other side has given up
    """The channel was cancelled; what it held is gone."""


class Channel(Generic[T]):
    """Passes items from one producing thread to one consuming thread; few wait between them.

    Args:
        capacity: Most items held.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._changed = Condition()
        self._finished = False
        self._cancelled = False

    def put(self, item: T) -> None:
        """Wait for room and add an item.

        Raises:
            Cancelled: Nobody will read it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._cancelled or len(self._items) < self._capacity)
            self._check()
            self._items.append(item)
            self._changed.notify_all()

    def offer(self, item: T) -> bool:
        """Add an item if there is room now, and say whether there was.

        Raises:
            Cancelled: Nobody will read it.
        """
        with self._changed:
            self._check()
            if len(self._items) >= self._capacity:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def finish(self) -> None:
        """Say that no more items come; those waiting are still read."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def cancel(self) -> None:
        """Drop what waits and end both sides with :class:`Cancelled`."""
        with self._changed:
            self._cancelled = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Items in order until :meth:`finish`.

        Raises:
            Cancelled: The channel was cancelled.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._cancelled or self._finished or self._items)
                self._check()
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item

    def _check(self) -> None:
        if self._cancelled:
            raise Cancelled
