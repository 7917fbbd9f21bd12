"""Ctrl-C that lets work finish what it has begun, and ``kill`` that lets it clean up."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""


@contextmanager
def stop_on_interrupt(promise: str) -> Iterator[Event]:
    """Give an event that the first Ctrl-C (or ``kill``) sets; the second one interrupts at once.

    Args:
        promise: What happens after the first, as printed: ``"completing the file"``.
    """
    stop = Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.set()
        # Python's own streams are not safe in a signal handler.
        os.write(2, f"\nstopping: {promise} (Ctrl-C again to give up)\n".encode())

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def cleaning_up_when_killed() -> Iterator[None]:
    """Let ``kill`` (SIGTERM) end the work as Ctrl-C does, half-written files removed, with exit code 143."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
