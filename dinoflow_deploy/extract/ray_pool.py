"""How many actors a cluster takes, and of what size."""

from collections.abc import Sequence
from dataclasses import dataclass

from dinoflow_deploy.errors import InputError


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster.

    Attributes:
        cpus: CPUs that it offers.
        gpus: GPUs likewise.
    """

    cpus: int
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class Pool:
    """Actors of one size.

    Attributes:
        size: How many.
        cpus: CPUs of each.
        gpus: GPUs of each.
    """

    size: int
    cpus: int
    gpus: int = 0


def gpu_pool(nodes: Sequence[Node], workers: int | None) -> Pool:
    """An actor for each GPU, or fewer.

    Raises:
        InputError: There are fewer GPUs than workers.
    """
    most = sum(min(node.gpus, node.cpus) for node in nodes)
    if (workers or 1) > most:
        raise InputError(f"workers is {workers}: the cluster has {most} GPUs with a CPU beside each")
    return Pool(workers or most, 1, 1)


def cpu_pool(nodes: Sequence[Node], workers: int | None) -> Pool:
    """So many actors, by default one on each machine, each with as many CPUs as all of them can have.

    Raises:
        InputError: There are fewer CPUs than workers.
    """
    machines = [node.cpus for node in nodes if node.cpus]
    size = workers or len(machines)
    for cpus in range(max(machines, default=0), 0, -1):
        if sum(count // cpus for count in machines) >= size:
            return Pool(size, cpus)
    raise InputError(f"workers is {size}: the cluster has {sum(machines)} CPUs, of which each needs one")
