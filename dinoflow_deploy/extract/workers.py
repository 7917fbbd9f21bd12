"""Who computes: processes of this machine, or actors of Ray. One interface to both."""

from collections.abc import Generator, Sequence
from threading import Event
from typing import Protocol

from dinoflow_deploy.extract.row import ClipRow
from dinoflow_deploy.extract.task import Task
from dinoflow_deploy.extract.worker import WorkerSettings
from dinoflow_deploy.system.optional import require


class Workers(Protocol):
    """Computes clips.

    Attributes:
        description: How many work, and where.
    """

    description: str

    @property
    def pairs(self) -> int:
        """Pairs computed so far, as far as is known."""

    def rows(self, tasks: Sequence[Task], stop: Event) -> Generator[ClipRow | None, None, None]:
        """Compute all clips. Whoever computes them has ended when the generator has, or was closed.

        Args:
            tasks: The clips.
            stop: Gives up what is being computed when set.

        Yields:
            A row for each clip, in the order in which they are done; ``None`` now and then.

        Raises:
            DinoFlowError: No clip can be computed.
        """


def check_workers(ray: str | None) -> None:
    """Ask for what they need, before there is a folder.

    Raises:
        MissingPackageError: Ray is wanted and not installed.
    """
    if ray is not None:
        require("ray.data", "sharing clips out by Ray")


def make_workers(settings: WorkerSettings, workers: int | None, ray: str | None) -> Workers:
    """Those of a run, which begin when they are given clips.

    Args:
        settings: What they are to do.
        workers: How many; ``None`` for one for each GPU, or one on each machine.
        ray: Address of a cluster of Ray, ``""`` for the one that is found; ``None`` for processes here.

    Raises:
        InputError: There are fewer cores.
    """
    if ray is None:
        from dinoflow_deploy.extract.local_workers import LocalWorkers, worker_settings

        return LocalWorkers(worker_settings(settings, workers))
    from dinoflow_deploy.extract.ray_workers import RayWorkers

    return RayWorkers(settings, workers, ray)
