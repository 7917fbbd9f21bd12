"""Functions run in another process, which what goes wrong there cannot outlive."""

from collections.abc import Callable
from typing import Any, Self

from dinoflow_deploy.system.worker_process import WorkerProcess


class Aside:
    """Runs functions in a process of their own, one after the other; in a new one after each failure.

    A failed CUDA call makes a whole process useless, and a crash ends it.

    Args:
        name: What it is, for errors.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._worker: WorkerProcess | None = None

    def run(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Run a function of a module, whose arguments and result go through a pipe.

        Raises:
            DinoFlowError: As the function raised it.
            EngineError: It raised anything else, or the process died.
        """
        self._worker = self._worker or WorkerProcess(self._name, _Functions, has_children=True)
        try:
            return self._worker.call("run", function, *arguments)
        except BaseException:
            self.renew()
            raise

    def renew(self) -> None:
        """Have the next call begin another process."""
        if self._worker:
            self._worker.kill()
        self._worker = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._worker:
            self._worker.finish()


class _Functions:
    """What the process does."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, function: Callable[..., Any], *arguments: object) -> Any:
        return function(*arguments)
