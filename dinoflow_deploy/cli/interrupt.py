"""Ctrl-C and ``kill``: work finishes what it has begun, or is cleaned up after."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


class Terminated(KeyboardInterrupt):
    """``kill`` or a closed terminal ended the command: what cleans up after Ctrl-C cleans up after it.

    Attributes:
        exit_code: 128 + the signal, as shells have it.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


def heed_termination() -> None:
    """Let SIGTERM and SIGHUP, which would end this process where it stands, raise :class:`Terminated`.

    A second one ends it where it stands. What is ignored, as under ``nohup``, stays so. Not in processes of
    torchrun: one that waits for another outside Python would not hear it.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return
    for number in _ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise Terminated(number)


@contextmanager
def stop_on_interrupt(promise: str) -> Iterator[Event]:
    """Give an event that the first Ctrl-C (or ``kill``) sets; the second one interrupts at once.

    Args:
        promise: What happens after the first, as printed: ``"completing the file"``.
    """
    stop = Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, previous[signal.SIGTERM])
        stop.set()
        # Python's own streams are not safe in a signal handler.
        os.write(2, f"\nstopping: {promise} (Ctrl-C again to give up)\n".encode())

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
