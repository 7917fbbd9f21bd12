import signal
import threading
from multiprocessing import get_context

from dinoflow_deploy.system.interrupts import no_interrupts_for_children
from tests.processes import blocks_interrupts


def test_a_process_that_is_started_within_is_deaf_from_its_first_moment() -> None:
    context = get_context("spawn")
    pipe, theirs = context.Pipe()
    with no_interrupts_for_children():
        process = context.Process(target=theirs.send, args=(1,))
        process.start()
        assert process.pid is not None
        # Before it has imported anything.
        assert blocks_interrupts(process.pid)
    assert pipe.recv() == 1
    process.join()
    assert not blocks_interrupts("self")


def test_this_process_receives_ctrl_c_at_the_end() -> None:
    received: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    try:
        with no_interrupts_for_children():
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)
            assert received == []
        assert received == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, previous)
