"""Several calls at a time, and their results in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import get_ident
from typing import TypeVar

from dinoflow_deploy.engines import FlowEngine
from dinoflow_deploy.video.frame_source import FrameSource

T = TypeVar("T")
R = TypeVar("R")


def calls_at_once(engine: FlowEngine, source: FrameSource) -> int:
    """Calls worth making at a time: one of a live source, of which no flow is to wait for a later frame."""
    return 1 if source.live else engine.calls_at_once


def in_order(items: Iterable[T], call: Callable[[T], R], at_once: int) -> Generator[tuple[T, R], None, None]:
    """Each item with what a call gives for it, in the order of the items.

    Args:
        items: What to call with; taken one by one, in the caller's thread. An error there comes after the
            results of what was taken before.
        call: What to call.
        at_once: Most calls at a time, each in a thread of its own; one is made in the caller's thread, when
            its result is asked for.
    """
    if at_once == 1:
        for item in items:
            yield item, call(item)
        return
    own: list[int] = []
    threads = ThreadPoolExecutor(at_once, "engine", initializer=lambda: own.append(get_ident()))
    try:
        yield from _submitted(items, lambda item: threads.submit(call, item), at_once)
    finally:
        # The garbage collector, which may close what is left of a loop, runs in any thread.
        threads.shutdown(wait=get_ident() not in own, cancel_futures=True)


def _submitted(items: Iterable[T], submit: Callable[[T], Future[R]], at_once: int) -> Iterator[tuple[T, R]]:
    waiting: deque[tuple[T, Future[R]]] = deque()
    left = iter(items)
    while True:
        try:
            item = next(left)
        except StopIteration:
            break
        except Exception:
            while waiting:
                yield _complete(*waiting.popleft())
            raise
        waiting.append((item, submit(item)))
        if len(waiting) == at_once:
            yield _complete(*waiting.popleft())
    while waiting:
        yield _complete(*waiting.popleft())


def _complete(item: T, result: Future[R]) -> tuple[T, R]:
    return item, result.result()
