"""What one thread at a time computes with: made for as many threads as run at once, and used again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Generic, Protocol, TypeVar

from dinoflow_deploy.errors import InputError


class Closeable(Protocol):
    """Something that holds memory."""

    def close(self) -> None:
        """Give it back; may not be called again."""


Context = TypeVar("Context", bound=Closeable)


class ContextPool(Generic[Context]):
    """Contexts for as many threads as run at once; each serves one thread at a time, and is used again.

    Args:
        make: Makes one.
    """

    def __init__(self, make: Callable[[], Context]) -> None:
        self._make = make
        self._idle: list[Context] = []
        self._making = Lock()

    @contextmanager
    def use(self) -> Iterator[Context]:
        """Give a context to this thread alone.

        Raises:
            EngineError: None is idle and a new one cannot be made.
        """
        context = self._take()
        try:
            yield context
        except InputError:
            # Refused before anything ran.
            self._idle.append(context)
            raise
        except BaseException:
            context.close()
            raise
        self._idle.append(context)

    def close(self) -> None:
        """Give all of them back; none may be in use."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Context:
        try:
            # The one used last: its memory is warm.
            return self._idle.pop()
        except IndexError:
            with self._making:
                return self._make()
