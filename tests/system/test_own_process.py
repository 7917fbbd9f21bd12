import atexit
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.system.own_process import call_in_own_process, call_until

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


def greet(name: str) -> str:
    return f"{os.environ['GREETING']} {name}"


def test_one_that_may_be_cancelled_answers_too() -> None:
    def call(*words: str) -> object:
        return call_until(Event(), *words, environment={"GREETING": "hello"})

    assert call(f"{HERE}:greet", "you") == ("hello you", None)
    assert call(f"{HERE}:refuse", "no\n  such size") == (None, "no such size")
    assert call(f"{HERE}:leave", "3") == (None, "the process ended with code 3: cannot go on")


def start_another(pipe: str) -> None:
    """Let another process and this one hold a named pipe open, and never end."""
    held = os.open(pipe, os.O_WRONLY)
    with subprocess.Popen(["sleep", "600"], pass_fds=[held]):
        os.write(held, b"started")
        signal.pause()


def call_in_vain(pipe: str) -> None:
    call_until(Event(), f"{HERE}:start_another", pipe, environment={})


@pytest.fixture
def pipe(tmp_path: Path) -> str:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return str(path)


def read_until_all_have_ended(reader: int) -> bytes:
    """What stands in the pipe; a pipe ends when the last process that holds it does."""
    read = b""
    while True:
        assert select.select([reader], [], [], 60)[0], f"somebody is still there, who said {read!r}"
        if not (more := os.read(reader, 100)):
            return read
        read += more


def test_when_cancelled_nothing_of_it_is_left(pipe: str) -> None:
    cancel, answers = Event(), []

    def call() -> None:
        function = f"{HERE}:start_another"
        answers.append(call_until(cancel, function, pipe, environment={}))

    thread = Thread(target=call)
    thread.start()
    with Path(pipe).open("rb", buffering=0) as reader:
        assert reader.read(100) == b"started"
        cancel.set()
        assert read_until_all_have_ended(reader.fileno()) == b""
    thread.join()
    assert answers == [(None, "the process ended with code -9: ")]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_when_whoever_asked_dies_nothing_of_it_is_left(number: signal.Signals, pipe: str) -> None:
    code = f"from {HERE} import call_in_vain; call_in_vain({pipe!r})"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as asking:
        with Path(pipe).open("rb", buffering=0) as reader:
            assert reader.read(100) == b"started"
            asking.send_signal(number)
            assert read_until_all_have_ended(reader.fileno()) == b""
        assert asking.wait() == -number
