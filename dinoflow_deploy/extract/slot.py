"""A place where clips are computed one after the other, by a process that is replaced when it dies."""

from multiprocessing.sharedctypes import RawValue
from threading import Lock

from dinoflow_deploy.errors import EngineError, ProcessDiedError
from dinoflow_deploy.extract.row import ClipRow
from dinoflow_deploy.extract.task import Task
from dinoflow_deploy.extract.worker import Worker, WorkerSettings, failed_row
from dinoflow_deploy.system.worker_process import WorkerProcess


class Slot:
    """Computes clips in a process of its own; one that dies, or whose engine fails, costs that clip alone.

    Args:
        settings: What the process is to do.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        # Without a lock, which a process that is killed would keep: one at a time counts.
        self._pairs = RawValue("Q", 0)
        self._process: WorkerProcess | None = None
        self._ended = False
        self._changing = Lock()

    @property
    def pairs(self) -> int:
        """Pairs that were computed here."""
        return int(self._pairs.value)

    @property
    def pid(self) -> int | None:
        """Of the process; ``None`` while there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Have a process whose engine is loaded.

        Raises:
            DinoFlowError: There can be none: no clip could be computed.
        """
        if self._process is not None:
            return
        try:
            self._begin()
        except ProcessDiedError:
            # Once it may have been somebody who killed it.
            self._begin()

    def _begin(self) -> None:
        with self._changing:
            if self._ended:
                raise EngineError("the work was given up")
            self._process = WorkerProcess("the worker", Worker, self._settings, self._pairs)
        try:
            self._process.call("ready")
        except BaseException:
            self._process = None
            raise

    def extract(self, task: Task) -> ClipRow:
        """Compute a clip, in a new process where the first one dies of it.

        Raises:
            DinoFlowError: No other clip could be computed either: the engine cannot be loaded, or the disk is
                full.
        """
        reason = ""
        for _ in range(2):
            self.start()
            assert self._process is not None, "it was started"
            try:
                row: ClipRow = self._process.call("extract", task)
            except EngineError as error:
                reason = str(error)
                self._process = None
            else:
                return row
        return failed_row(task, f"{reason} (tried twice)")

    def finish(self) -> None:
        """Let the process end, which computes nothing now."""
        if self._process is not None:
            self._process.finish()
            self._process = None

    def kill(self) -> None:
        """End the process at once, whatever it computes, and start no other."""
        with self._changing:
            self._ended = True
            process = self._process
        if process is not None:
            process.kill()
