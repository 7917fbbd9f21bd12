"""Locks among processes, tried with processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest

from dinoflow_deploy.system.locks import file_lock

HOLD = """
import os, sys
from pathlib import Path
from dinoflow_deploy.system.locks import file_lock
with file_lock(Path(sys.argv[1])):
    if os.fork():
        print("held", flush=True)
    sys.stdin.read()
    os._exit(0)
"""


@contextmanager
def held_elsewhere(path: Path) -> "Iterator[subprocess.Popen[str]]":
    """A process that holds the lock until it is killed, and its child, which lives until the input ends."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder


def test_a_lock_that_is_held_is_refused_or_waited_for_until_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held_elsewhere(path) as holder:
        with pytest.raises(BlockingIOError, match="lock: another process holds this lock"):
            held_now(path)
        assert holder.stdin is not None
        holder.kill()
        with file_lock(path):
            assert path.read_bytes() == b""
    held_now(path)


def test_those_who_wait_get_it_when_it_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    context = get_context("fork")
    waiters = [context.Process(target=add_a_letter, args=(path,)) for _ in range(2)]
    with file_lock(path):
        for waiter in waiters:
            waiter.start()
        # They were forked with the lock held, and yet neither hold it nor end it.
        path.with_name("text").write_text("a")
    for waiter in waiters:
        waiter.join(60)
        assert waiter.exitcode == 0
    assert path.with_name("text").read_text() == "aaa"


def add_a_letter(path: Path) -> None:
    with file_lock(path):
        text = path.with_name("text")
        text.write_text(text.read_text() + "a")


def test_what_a_holder_leaves_behind_does_not_hold_it(tmp_path: Path) -> None:
    """As loader processes of a killed training run live on for a while."""
    path = tmp_path / "lock"
    with file_lock(path):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    held_now(path)
    child.communicate(b"\n")


@pytest.mark.parametrize("number", [37, 38])
def test_a_file_system_without_locks_is_told(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(OSError, match=os.strerror(number)):
        held_now(tmp_path / "lock")


@pytest.mark.parametrize("wait", [True, False])
def test_a_folder_that_takes_no_file_is_told(tmp_path: Path, wait: bool) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"), file_lock(tmp_path / "file/lock", wait=wait):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes in every folder")
@pytest.mark.parametrize("wait", [True, False])
def test_a_folder_to_read_only_is_told(tmp_path: Path, wait: bool) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="lock"), file_lock(tmp_path / "lock", wait=wait):
        pass


def held_now(path: Path) -> None:
    with file_lock(path, wait=False):
        pass
