"""Clips shared out by Ray Data, on one machine or many with a folder in common.

Only paths and rows pass through Ray: an actor opens the clip and writes its flow. They are computed in
rounds. A machine that is lost ends a round, and the clips that have no row by then are given to the machines
that are left, in the next one: none is left out, as Ray's ``max_errored_blocks`` would.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from multiprocessing import get_context
from threading import Event
from typing import Final

from dinoflow_deploy.errors import EngineError
from dinoflow_deploy.extract.ray_driver import compute_by_ray
from dinoflow_deploy.extract.row import ClipRow
from dinoflow_deploy.extract.task import Task
from dinoflow_deploy.extract.worker import WorkerSettings
from dinoflow_deploy.system.interrupts import no_interrupts_for_children

_TICK: Final = 0.5
"""Seconds after which progress is told of without a row."""
_CLIPS_AT_ONCE: Final = 2000
"""Ray plans for each clip before the first one: a few at a time of very many."""
_WITHOUT_A_ROW: Final = 3
"""Rounds in a row that give none, after which the work is given up."""


class RayWorkers:
    """Actors of a cluster, which is left as it was; one that is started here ends with each round.

    Args:
        settings: For each.
        workers: How many; by default one for each GPU, or one on each machine.
        address: ``"host:port"``, ``"local"`` for a new one, ``"auto"`` for one that runs here; ``""`` for
            that one if there is one, or else a new one.

    Attributes:
        description: How many they were at first, and on how many machines.
        pairs: Not known before rows come.
    """

    def __init__(self, settings: WorkerSettings, workers: int | None, address: str) -> None:
        self.description, self.pairs = "", 0
        self._settings, self._workers, self._address = settings, workers, address
        self._problem = ""

    def rows(self, tasks: Sequence[Task], stop: Event) -> Generator[ClipRow | None, None, None]:
        """As ``Workers`` has it.

        Raises:
            EngineError: The cluster cannot be reached, is too small, or gives no rows any more.
        """
        for start in range(0, len(tasks), _CLIPS_AT_ONCE):
            yield from self._rounds({task.path: task for task in tasks[start : start + _CLIPS_AT_ONCE]}, stop)

    def _rounds(self, left: dict[str, Task], stop: Event) -> Iterator[ClipRow | None]:
        """Rounds, until each clip has its row."""
        fruitless = 0
        while left and not stop.is_set():
            before = len(left)
            with closing(self._round([*left.values()], stop)) as rows:
                for row in rows:
                    if row is None or left.pop(row.path, None) is not None:
                        yield row
            fruitless = 0 if len(left) < before else fruitless + 1
            if fruitless == _WITHOUT_A_ROW:
                raise EngineError(f"Ray computes no clip any more: {self._problem}; run again to go on")

    def _round(self, tasks: Sequence[Task], stop: Event) -> Generator[ClipRow | None, None, None]:
        context = get_context("spawn")
        pipe, theirs = context.Pipe(duplex=False)
        again = bool(self.description)
        arguments = (theirs, self._settings, self._workers, self._address, tasks, again)
        process = context.Process(target=compute_by_ray, args=arguments, daemon=True)
        with no_interrupts_for_children():
            process.start()
        theirs.close()
        kind = ""
        try:
            while kind not in ("problem", "end") and not stop.is_set():
                if not pipe.poll(_TICK):
                    yield None
                    continue
                try:
                    kind, text = pipe.recv()
                except EOFError:
                    kind, text = "problem", "its process died"
                if kind == "row":
                    yield ClipRow.from_text(text)
                elif kind == "fatal":
                    raise EngineError(text)
                elif kind == "pool":
                    self.description = self.description or text
                elif kind == "problem":
                    self._problem = text
        finally:
            if kind != "end":
                process.kill()
            process.join()
