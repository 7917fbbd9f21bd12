"""Locks among processes that use one folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def file_lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock; a process that dies, however it dies, lets go, and those that it started hold nothing.

    Args:
        path: The lock's file, made with its folder where they are missing, and left there, empty.
        wait: Whether to wait for another process that holds it.

    Raises:
        BlockingIOError: Another process holds it, and is not waited for.
        OSError: It cannot be made, or its file system knows no locks.
    """
    # A file system without locks is told, not served by a file that a killed process leaves behind.
    lock = FileLock(path, blocking=wait, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise BlockingIOError(f"{path}: another process holds this lock") from error
    try:
        yield
    finally:
        lock.release()
