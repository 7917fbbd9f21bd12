import atexit
import os
import sys

import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.system.own_process import call_in_own_process

HERE = __name__


def answer(*arguments: str) -> dict[str, object]:
    print("a library says this first", flush=True)
    return {"pid": os.getpid(), "arguments": arguments, "input": sys.stdin.read()}


def answer_and_say_more() -> int:
    """As a driver that is unloaded, and prints what is no UTF-8."""
    atexit.register(os.write, 1, b"good bye \xe9\n")
    return 7


def refuse(message: str) -> None:
    raise InputError(message)


def leave(code: str) -> None:
    print("cannot go on", file=sys.stderr, flush=True)
    os._exit(int(code))


def test_the_answer_comes_from_another_process() -> None:
    found, problem = call_in_own_process(f"{HERE}:answer", "a", "b c")
    assert problem is None
    assert found.pop("pid") != os.getpid()
    # It has no standard input to wait for.
    assert found == {"arguments": ["a", "b c"], "input": ""}


@pytest.mark.parametrize("patient", [False, True])
def test_what_it_raises_is_why_there_is_no_answer(patient: bool) -> None:
    assert call_in_own_process(f"{HERE}:refuse", "no\n  such size", patient=patient) == (None, "no such size")


def test_an_end_is_told_with_its_last_words() -> None:
    assert call_in_own_process(f"{HERE}:leave", "3") == (None, "the process ended with code 3: cannot go on")


def test_an_end_without_an_answer_is_told() -> None:
    assert call_in_own_process(f"{HERE}:leave", "0") == (None, "the process ended without an answer")


def test_what_is_printed_after_the_answer_is_not_the_answer() -> None:
    assert call_in_own_process(f"{HERE}:answer_and_say_more") == (7, None)
