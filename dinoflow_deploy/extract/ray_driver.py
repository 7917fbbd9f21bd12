"""A round of Ray: what connects to the cluster, in a process of its own.

When that process ends, however it ends, Ray ends its actors, whatever they compute: the next round begins
with a cluster that is free. A machine that is lost ends it at once. Ray Data itself may wait for ever for
what that machine computed, and for a machine in its place.
"""

import json
import logging
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from threading import Event, Lock, Thread
from typing import Any, Final

import numpy as np

import dinoflow_deploy
from dinoflow_deploy.errors import DinoFlowError, EngineError, InputError
from dinoflow_deploy.extract.ray_pool import Node, Pool, cpu_pool, gpu_pool
from dinoflow_deploy.extract.slot import Slot
from dinoflow_deploy.extract.task import Task
from dinoflow_deploy.extract.worker import WorkerSettings
from dinoflow_deploy.system.worker_process import end_with_parent

_SECONDS_TO_CONNECT: Final = 10
_SECONDS_BETWEEN_LOOKS: Final = 1.0
"""At which machines are alive."""
_OBJECT_STORE: Final = 100 * 2**20
"""Bytes for what passes through a Ray that is started here: rows."""


class ClipActor:
    """Computes clips on a machine of the cluster, in a process of its own that a clip may kill.

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


class Answers:
    """What a round tells: pairs of a kind and its text.

    ``pool``: who computes. ``row``: a row, as JSON. ``fatal``: why no clip can be computed. ``problem``: why
    the round is over before all clips have rows. ``end``: they have.

    Args:
        pipe: Where it goes.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, Lock()

    def tell(self, kind: str, text: str = "") -> None:
        """Tell something; threads may do so at once."""
        with self._lock:
            self._pipe.send((kind, text))


def compute_by_ray(
    pipe: Connection,
    settings: WorkerSettings,
    workers: int | None,
    address: str,
    tasks: Sequence[Task],
    again: bool,
) -> None:
    """Compute clips by a cluster: what the process does.

    Args:
        pipe: Where ``Answers`` go.
        settings: For each actor.
        workers: How many; ``None`` for one for each GPU, or one on each machine.
        address: As of :func:`~.ray_workers.ray_workers`.
        tasks: The clips.
        again: Whether machines may have been lost, so that fewer actors do.
    """
    Thread(target=end_with_parent, daemon=True).start()
    # Ray prints much of what it does, and is told of here what matters.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    answers = Answers(pipe)
    import ray
    import ray.data

    try:
        _connect(ray, address)
        pool = _pool(ray, settings.engine.device, workers, again=again)
        machines = _alive(ray)
        actors = "1 actor" if pool.size == 1 else f"{pool.size} actors"
        answers.tell("pool", f"{actors} of Ray on {len(machines)} machine(s)")
        Thread(target=_watch, args=(ray, machines, answers), daemon=True).start()
        _compute(pool, settings, tasks, answers)
        answers.tell("end")
    except DinoFlowError as error:
        answers.tell("fatal", str(error))
    except Exception as error:  # of many kinds, by Ray's version: another round may do
        answers.tell("problem", _first_line(error))
    ray.shutdown()


def _compute(pool: Pool, settings: WorkerSettings, tasks: Sequence[Task], answers: Answers) -> None:
    from ray.data import ActorPoolStrategy, from_items

    settings = replace(settings, threads=None if pool.gpus else pool.cpus)
    items = [{"task": task.to_json()} for task in tasks]
    computed = from_items(items, override_num_blocks=len(items)).map_batches(
        ClipActor,
        batch_size=1,
        compute=ActorPoolStrategy(size=pool.size, max_tasks_in_flight_per_actor=1),
        fn_constructor_args=(settings, dinoflow_deploy.__version__),
        num_cpus=pool.cpus,
        num_gpus=pool.gpus,
    )
    for item in computed.iter_rows():
        answer = json.loads(item["answer"])
        if "fatal" in answer:
            raise EngineError(answer["fatal"])
        answers.tell("row", answer["row"])


def _watch(ray: Any, machines: set[str], answers: Answers) -> None:
    """End this process when a machine is lost."""
    while not machines - _alive(ray):
        Event().wait(_SECONDS_BETWEEN_LOOKS)
    answers.tell("problem", "a machine of the cluster was lost")
    os._exit(1)


def _alive(ray: Any) -> set[str]:
    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


def _pool(ray: Any, device: str, workers: int | None, *, again: bool) -> Pool:
    if device.startswith("cuda:"):
        raise InputError(f"device is {device}: Ray gives each worker a GPU of its own, so name 'cuda'")
    nodes = [
        Node(int(node["Resources"].get("CPU", 0)), int(node["Resources"].get("GPU", 0)))
        for node in ray.nodes()
        if node["Alive"]
    ]
    pool_of = gpu_pool if device in ("auto", "cuda") and any(node.gpus for node in nodes) else cpu_pool
    try:
        return pool_of(nodes, workers)
    except InputError:
        if not again:
            raise
        return pool_of(nodes, None)


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
    except Exception as error:  # likewise of many kinds
        raise EngineError(
            f"{where} cannot be reached: {_first_line(error)}; 'ray start --head' starts one, and --ray "
            "local uses this machine alone"
        ) from error
    ray.data.DataContext.get_current().enable_progress_bars = False


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
