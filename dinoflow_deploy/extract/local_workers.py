"""Clips shared out to processes of this machine."""

import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Final

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.extract.row import ClipRow
from dinoflow_deploy.extract.slot import Slot
from dinoflow_deploy.extract.task import Task
from dinoflow_deploy.extract.worker import WorkerSettings
from dinoflow_deploy.system.gpus import list_gpus

_TICK: Final = 0.5
"""Seconds after which progress is told of without a row."""
_ON_EACH_GPU: Final = ("auto", "cuda")


def worker_settings(settings: WorkerSettings, workers: int | None) -> list[WorkerSettings]:
    """Settings for each worker: GPUs and cores shared out.

    Args:
        settings: What all have in common.
        workers: How many; by default one for each GPU, or one.

    Raises:
        InputError: There are neither GPUs nor as many cores.
    """
    gpus = _gpus() if settings.engine.device in _ON_EACH_GPU else []
    cores = len(os.sched_getaffinity(0))
    count = workers or max(len(gpus), 1)
    if not gpus and count > cores:
        raise InputError(f"workers is {count}: this machine has {cores} cores, of which each needs one")
    threads = None if count == 1 else max(1, cores // count)
    return [
        replace(settings, threads=threads, gpu=gpus[place % len(gpus)] if gpus else None)
        for place in range(count)
    ]


def _gpus() -> list[str]:
    """What names each GPU of this process for CUDA."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    return [str(number) for number in range(len(list_gpus()[0]))]


class LocalWorkers:
    """Processes of this machine.

    Args:
        settings: For each.

    Attributes:
        description: How many they are.
        slots: Where clips are computed.
    """

    def __init__(self, settings: Sequence[WorkerSettings]) -> None:
        self.slots = [Slot(each) for each in settings]
        self.description = "1 process" if len(self.slots) == 1 else f"{len(self.slots)} processes"
        self._answers: SimpleQueue[ClipRow | BaseException | None] = SimpleQueue()
        self._threads: list[Thread] = []

    @property
    def pairs(self) -> int:
        """Pairs that were computed."""
        return sum(slot.pairs for slot in self.slots)

    def rows(self, tasks: Sequence[Task], stop: Event) -> Generator[ClipRow | None, None, None]:
        """As ``Workers`` has it."""
        waiting, lock = iter(tasks), Lock()
        self._threads = [
            Thread(target=self._work, args=(slot, waiting, lock), daemon=True) for slot in self.slots
        ]
        for thread in self._threads:
            thread.start()
        try:
            yield from self._answered(len(self._threads), stop)
        finally:
            self._end()

    def _answered(self, working: int, stop: Event) -> Iterator[ClipRow | None]:
        while working and not stop.is_set():
            try:
                answer = self._answers.get(timeout=_TICK)
            except Empty:
                yield None
                continue
            if isinstance(answer, BaseException):
                raise answer
            if answer is None:
                working -= 1
            else:
                yield answer

    def _work(self, slot: Slot, waiting: Iterator[Task], lock: Lock) -> None:
        """A thread for each slot: it hands clips over and waits."""
        try:
            while True:
                with lock:
                    task = next(waiting, None)
                if task is None:
                    break
                self._answers.put(slot.extract(task))
            slot.finish()
            self._answers.put(None)
        except BaseException as error:
            self._answers.put(error)

    def _end(self) -> None:
        for slot in self.slots:
            slot.kill()
        for thread in self._threads:
            thread.join()
