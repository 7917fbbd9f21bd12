import gc
from collections import deque
from collections.abc import Iterator
from threading import Event, Thread, current_thread
from weakref import ref

import pytest

from dinoflow_deploy.video.in_order import in_order


@pytest.mark.parametrize("at_once", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_results_come_in_the_order_of_the_items(count: int, at_once: int) -> None:
    assert list(in_order(range(count), str, at_once)) == [(item, str(item)) for item in range(count)]


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_an_error_of_the_items_comes_after_the_results_before_it(at_once: int) -> None:
    def items() -> Iterator[int]:
        yield from range(4)
        raise ValueError("no more")

    found = []
    with pytest.raises(ValueError, match="no more"):
        found.extend(item for item, _ in in_order(items(), str, at_once))
    # An extension by what raises keeps what came before.
    assert found == [0, 1, 2, 3]


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_after_an_error_of_a_call_nothing_comes(at_once: int) -> None:
    found = []
    with pytest.raises(ZeroDivisionError):
        found.extend(item for item, _ in in_order([1, 2, 0, 3, 4], lambda item: 1 / item, at_once))
    assert found == [1, 2]


def test_alone_a_call_is_made_when_its_result_is_asked_for() -> None:
    made: list[int] = []
    results = in_order(range(9), made.append, 1)
    assert made == []
    next(results)
    assert made == [0]


def test_several_run_ahead_by_what_is_allowed_and_no_more() -> None:
    taken: list[int] = []
    second = Event()

    def call(item: int) -> int:
        if item == 0:
            assert second.wait(20), "the next one runs meanwhile"
        if item == 1:
            second.set()
        return item

    results = in_order((taken.append(item) or item for item in range(9)), call, 2)
    assert next(results) == (0, 0)
    assert taken == [0, 1]


def test_a_loop_that_is_left_leaves_no_thread() -> None:
    threads: set[Thread] = set()
    results = in_order(range(9), lambda _: threads.add(current_thread()), 2)
    next(results)
    results.close()
    assert threads
    assert not any(thread.is_alive() for thread in threads)


def test_after_an_error_of_the_items_nothing_holds_them() -> None:
    """Frames are large, and the garbage collector may come late."""

    class Item:
        pass

    taken: list[ref[Item]] = []

    def items() -> Iterator[Item]:
        for _ in range(3):
            item = Item()
            taken.append(ref(item))
            yield item
        raise ValueError("no more")

    gc.disable()
    try:
        with pytest.raises(ValueError, match="no more"):
            deque(in_order(items(), lambda _: None, 2), maxlen=0)
        assert [each() for each in taken] == [None, None, None]
    finally:
        gc.enable()
