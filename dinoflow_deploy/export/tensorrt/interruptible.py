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
    claim, ended = Lock(), Event()

    def run() -> None:
        if not claim.acquire(blocking=False):
            return
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
        # Ctrl-C may come before the thread has begun; then what claims the work is this, and nothing is run.
        if not claim.acquire(blocking=False):
            ended.wait()
        raise
    if failures:
        raise failures[0]
    return results[0]
