"""Calls into TensorRT that Ctrl-C can end."""

from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import TypeVar

Result = TypeVar("Result")


def run_interruptibly(work: Callable[[], Result], cancel: Event) -> Result:
    """Run something in a thread of its own, so that a signal reaches this one while TensorRT computes.

    On Ctrl-C the work is told to end, waited for, and ``KeyboardInterrupt`` goes on; a second one does not
    wait.

    Args:
        work: Long work outside Python.
        cancel: Set to end it; ``work`` looks at it.

    Returns:
        What the work returns; what it raises is raised.
    """
    results: list[Result] = []
    failures: list[BaseException] = []
    gate, begun, abandoned, ended = Lock(), Event(), Event(), Event()

    def run() -> None:
        with gate:
            if abandoned.is_set():
                return
            begun.set()
        try:
            results.append(work())
        except BaseException as error:  # handed to the thread that waits
            failures.append(error)
        finally:
            ended.set()

    try:
        # A daemon, since after a second Ctrl-C nobody waits for it.
        Thread(target=run, name="tensorrt-build", daemon=True).start()
        # Not join(), which takes an interrupted thread for one that has ended.
        ended.wait()
    except BaseException:
        cancel.set()
        # Ctrl-C may come before the thread has started, and then it must not, or nobody would end the wait.
        with gate:
            abandoned.set()
        if begun.is_set():
            ended.wait()
        raise
    if failures:
        raise failures[0]
    return results[0]
