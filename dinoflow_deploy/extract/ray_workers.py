"""Clips shared out by Ray Data, on one machine or many with a folder in common.

Only paths and rows pass through Ray: an actor opens the clip and writes its flow. It has a process for that,
as a worker without Ray has, so that a clip that kills a process costs itself alone. An actor that dies, with
its machine or by itself, ends the round: the clips that have no row by then are given to those machines that
are left. Ray's own restarts would wait for ever for a machine that does not come back, and its
``max_errored_blocks`` would leave clips out.
"""

import json
import logging
import os
import re
import socket
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, Final

import numpy as np

import dinoflow_deploy
from dinoflow_deploy.errors import DinoFlowError, EngineError, InputError
from dinoflow_deploy.extract.ray_pool import Node, Pool, cpu_pool, gpu_pool
from dinoflow_deploy.extract.row import ClipRow
from dinoflow_deploy.extract.slot import Slot
from dinoflow_deploy.extract.task import Task
from dinoflow_deploy.extract.worker import WorkerSettings

_TICK: Final = 0.5
"""Seconds after which progress is told of without a row."""
_CLIPS_AT_ONCE: Final = 2000
"""Ray plans for each clip before the first one: a few at a time of very many."""
_WITHOUT_A_ROW: Final = 3
"""Rounds in a row that give none, after which the work is given up."""
_SECONDS_TO_CONNECT: Final = 10
_OBJECT_STORE: Final = 100 * 2**20
"""Bytes for what passes through a Ray that is started here: rows."""


class ClipActor:
    """Computes clips on a machine of the cluster.

    Args:
        settings: What to do.
        version: Of this package where the run began.
    """

    def __init__(self, settings: WorkerSettings, version: str) -> None:
        self._slot = Slot(settings)
        self._version = version

    def __call__(self, batch: "dict[str, np.ndarray[Any, Any]]") -> "dict[str, np.ndarray[Any, Any]]":
        """A row for each task, or why there can be none."""
        return {"answer": np.array([self._answer(text) for text in batch["task"]], dtype=object)}

    def _answer(self, text: str) -> str:
        try:
            if dinoflow_deploy.__version__ != self._version:
                raise InputError(
                    f"{socket.gethostname()} has dinoflow-deploy {dinoflow_deploy.__version__}, and the run "
                    f"began with {self._version}: install the same on all machines"
                )
            return json.dumps({"row": self._slot.extract(Task.from_text(text)).to_json()})
        except DinoFlowError as error:
            return json.dumps({"fatal": str(error)})


@contextmanager
def ray_workers(settings: WorkerSettings, workers: int | None, address: str) -> Iterator["RayWorkers"]:
    """Actors of a cluster, which is left as it was; one that is started here ends.

    Args:
        settings: What they are to do.
        workers: How many; by default one for each GPU, or one on each machine.
        address: ``"host:port"``, ``"local"`` for a new one, ``"auto"`` for one that runs here; ``""`` for
            that one if there is one, or else a new one.

    Raises:
        EngineError: The cluster cannot be reached.
        InputError: It has fewer CPUs or GPUs than workers.
    """
    import ray
    import ray.data

    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address)
    try:
        yield RayWorkers(ray, settings, workers)
    finally:
        if ours:
            ray.shutdown()


class RayWorkers:
    """Actors of the cluster that this process is connected to.

    Args:
        ray: The module.
        settings: For each.
        workers: How many; ``None`` for one for each GPU, or one on each machine.

    Attributes:
        description: How many they are at first, and on how many machines.
        pairs: Not known before rows come.

    Raises:
        InputError: There are fewer CPUs or GPUs, or the device is one of several GPUs.
    """

    def __init__(self, ray: Any, settings: WorkerSettings, workers: int | None) -> None:
        self._ray, self._settings, self._workers = ray, settings, workers
        self._answers: SimpleQueue[ClipRow | BaseException | None] = SimpleQueue()
        pool = self._pool(workers)
        count = "1 actor" if pool.size == 1 else f"{pool.size} actors"
        self.description = f"{count} of Ray on {len(self._nodes())} machine(s)"
        self.pairs = 0

    def rows(self, tasks: Sequence[Task], stop: Event) -> Generator[ClipRow | None, None, None]:
        """Compute all clips.

        Args:
            tasks: The clips.
            stop: Gives up what is being computed when set.

        Yields:
            A row for each clip, in the order in which they are done; ``None`` now and then.

        Raises:
            DinoFlowError: No clip can be computed, or actors die again and again.
        """
        Thread(target=self._work, args=(tasks, stop), daemon=True).start()
        while not stop.is_set():
            try:
                answer = self._answers.get(timeout=_TICK)
            except Empty:
                yield None
                continue
            if answer is None:
                return
            if isinstance(answer, BaseException):
                raise answer
            yield answer

    def _work(self, tasks: Sequence[Task], stop: Event) -> None:
        try:
            for start in range(0, len(tasks), _CLIPS_AT_ONCE):
                self._compute({task.path: task for task in tasks[start : start + _CLIPS_AT_ONCE]}, stop)
            self._answers.put(None)
        except BaseException as error:
            self._answers.put(error)

    def _compute(self, left: dict[str, Task], stop: Event) -> None:
        """Rounds, until each clip has its row."""
        fruitless = 0
        while left and not stop.is_set():
            before, problem = len(left), "clips were left out"
            try:
                for row in self._round([*left.values()]):
                    if left.pop(row.path, None) is not None:
                        self._answers.put(row)
            except self._ray.exceptions.RayError as error:
                problem = _first_line(error)
            fruitless = 0 if len(left) < before else fruitless + 1
            if fruitless == _WITHOUT_A_ROW:
                raise EngineError(f"Ray computes no clip any more: {problem}; run again to go on")

    def _round(self, tasks: Sequence[Task]) -> Iterator[ClipRow]:
        from ray.data import ActorPoolStrategy, from_items

        pool = self._pool_left()
        settings = replace(self._settings, threads=None if pool.gpus else pool.cpus)
        answers = from_items(
            [{"task": task.to_json()} for task in tasks], override_num_blocks=len(tasks)
        ).map_batches(
            ClipActor,
            batch_size=1,
            compute=ActorPoolStrategy(size=pool.size, max_tasks_in_flight_per_actor=1),
            fn_constructor_args=(settings, dinoflow_deploy.__version__),
            num_cpus=pool.cpus,
            num_gpus=pool.gpus,
            max_restarts=0,
        )
        for item in answers.iter_rows():
            answer = json.loads(item["answer"])
            if "fatal" in answer:
                raise EngineError(answer["fatal"])
            yield ClipRow.from_text(answer["row"])

    def _pool_left(self) -> Pool:
        """As many as were wanted, or what the machines that are left can have."""
        try:
            return self._pool(self._workers)
        except InputError:
            return self._pool(None)

    def _pool(self, workers: int | None) -> Pool:
        nodes, device = self._nodes(), self._settings.engine.device
        if device.startswith("cuda:"):
            raise InputError(f"device is {device}: Ray gives each worker a GPU of its own, so name 'cuda'")
        on_gpu = device in ("auto", "cuda") and any(node.gpus for node in nodes)
        return gpu_pool(nodes, workers) if on_gpu else cpu_pool(nodes, workers)

    def _nodes(self) -> list[Node]:
        return [
            Node(int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0)))
            for node in self._ray.nodes()
            if node["Alive"]
        ]


def _connect(ray: Any, address: str) -> None:
    # Nothing is told to Ray's makers of a cluster that is started here.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    found = re.fullmatch(r"(.+):(\d+)", address)
    where = f"the Ray cluster at {address}" if address else "a Ray cluster"
    try:
        if found:
            # Ray itself would try for minutes.
            socket.create_connection((found[1].strip("[]"), int(found[2])), _SECONDS_TO_CONNECT).close()
        new = {} if found or address == "auto" else {"object_store_memory": _OBJECT_STORE}
        ray.init(address=address or None, log_to_driver=False, logging_level=logging.ERROR, **new)
    except Exception as error:  # of many kinds, by Ray's version
        raise EngineError(
            f"{where} cannot be reached: {_first_line(error)}; 'ray start --head' starts one, and --ray "
            "local uses this machine alone"
        ) from error
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # There is no other way to say `max_restarts`.
    warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
    ray.data.DataContext.get_current().enable_progress_bars = False


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
