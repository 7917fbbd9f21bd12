"""A thread that Ctrl-C does not lose."""

from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread


class StageThread(Thread):
    """A thread whose end is waited for with interruptions.

    ``Thread.join`` cannot: when Ctrl-C ends it, Python up to 3.12 takes the thread for ended, and the next
    ``join`` returns at once. What the thread had begun is then not cleaned up, and a process that ends while
    it is within C++ aborts.

    Args:
        work: What it does.
        name: Of the thread.
    """

    def __init__(self, work: Callable[[], None], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._done = Event()

    def run(self) -> None:
        """Do the work."""
        try:
            self._work()
        finally:
            self._done.set()

    def wait(self) -> None:
        """Wait for its end; may be called again after an interruption."""
        self._done.wait()
        self.join()

    def wait_out(self) -> None:
        """Wait for its end through all interruptions: of work that was told to end, and will."""
        ended = False
        while not ended:
            with suppress(KeyboardInterrupt):
                ended = self._done.wait()
        self.join()
