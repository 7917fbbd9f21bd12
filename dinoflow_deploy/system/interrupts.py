"""Ctrl-C and the processes that Python starts."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def no_interrupts_for_children() -> Iterator[None]:
    """Processes that ``multiprocessing`` starts within never receive Ctrl-C; this one receives it at the end.

    A terminal sends Ctrl-C to all of them, and a process that ignores it can say so only when it has imported
    what it needs: seconds in which it would die, with a traceback, under a parent that counts on it.
    """
    # It lets Ctrl-C through again when it starts, and would do so within.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
