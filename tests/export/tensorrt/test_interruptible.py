import signal
import threading
from collections.abc import Callable
from threading import Event, Thread

import pytest

from dinoflow_deploy.export.tensorrt import interruptible
from dinoflow_deploy.export.tensorrt.interruptible import run_interruptibly


def test_the_result_and_the_error_are_the_work_s_own() -> None:
    assert run_interruptibly(lambda: threading.current_thread().name, Event()) == "tensorrt-build"
    with pytest.raises(ZeroDivisionError):
        run_interruptibly(lambda: 1 // 0, Event())


def test_ctrl_c_tells_the_work_to_end_and_waits_for_it() -> None:
    cancel, ended = Event(), Event()

    def work() -> None:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        assert cancel.wait(60)
        ended.set()

    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_interruptibly(work, cancel)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert ended.is_set()


@pytest.mark.parametrize("starts", [False, True])
def test_ctrl_c_while_the_thread_starts_does_not_hang(starts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come before the thread is there, and before the thread has done anything."""
    later: list[Callable[[], None]] = []

    class Starting(Thread):
        def start(self) -> None:
            if starts:
                later.append(self.run)
            raise KeyboardInterrupt

    monkeypatch.setattr(interruptible, "Thread", Starting)
    cancel, raised, worked = Event(), Event(), Event()

    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            run_interruptibly(worked.set, cancel)
        raised.set()

    Thread(target=interrupted, daemon=True).start()
    assert raised.wait(60)
    assert cancel.is_set()
    for run in later:
        run()
    assert not worked.is_set()
