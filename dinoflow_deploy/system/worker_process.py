"""An object in a process of its own, whose methods are called from here."""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

from dinoflow_deploy.errors import DinoFlowError, EngineError, ProcessDiedError
from dinoflow_deploy.system.freed_memory import keep_freed_memory
from dinoflow_deploy.system.interrupts import no_interrupts_for_children


class WorkerProcess:
    """Does work where nothing that goes wrong, a crash included, can harm this process or another worker.

    The process is a new interpreter: nothing that this one has loaded counts in its memory. It begins at
    once; the object is made there when what it needs has been imported, and a failure of that is the answer
    to the first call. A failure ends the process.

    Args:
        name: What it is, for errors: ``"the engine"``.
        make: Called there; gives a context that is left when the process ends, and whose value's methods are
            called.
        arguments: Of ``make``; they and everything that is called with or returned go through a pipe.
        has_children: Whether the work starts processes through ``multiprocessing``. Then whoever made this
            one has to end it; else it ends with this process at the latest.
    """

    def __init__(
        self,
        name: str,
        make: Callable[..., AbstractContextManager[object]],
        *arguments: object,
        has_children: bool = False,
    ) -> None:
        self.name = name
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, name, make, arguments), daemon=not has_children
        )
        # The process that asks decides when this one ends.
        with no_interrupts_for_children():
            self._process.start()
        # This process' end; without it the pipe would not end when the other process does.
        theirs.close()

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process.pid is not None, "it was started"
        return self._process.pid

    def call(self, method: str, *arguments: object) -> Any:
        """Call a method of the object, and wait for what it returns.

        Raises:
            DinoFlowError: As the method raised it.
            EngineError: It raised anything else.
            ProcessDiedError: The process died.
        """
        try:
            self._pipe.send((method, arguments))
            answer, error = self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise ProcessDiedError(f"{self.name}'s process {_end(self._process.exitcode)}") from None
        if error is not None:
            self._process.join()
            raise error
        return answer

    def finish(self) -> None:
        """Let the object go and the process end; it may have ended already."""
        with suppress(ConnectionError):
            self._pipe.send(None)
        self._process.join()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()


def _end(code: int | None) -> str:
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    if name == "SIGKILL":
        return f"died of {name}, most often for want of memory: take smaller frames or a smaller batch"
    return f"died of {name}, most often a defect of a library that it loaded"


def _serve(
    pipe: Connection,
    name: str,
    make: Callable[..., AbstractContextManager[object]],
    arguments: tuple[object, ...],
) -> None:
    Thread(target=end_with_parent, daemon=True).start()
    keep_freed_memory()
    try:
        with make(*arguments) as served:
            while (asked := pipe.recv()) is not None:
                method, values = asked
                pipe.send((getattr(served, method)(*values), None))
    except EOFError:
        return  # who asked has died
    except DinoFlowError as error:
        pipe.send((None, error))
    except (Exception, SystemExit) as error:  # whatever a library raises: who asked has to learn of it
        text = " ".join(str(error).split())
        pipe.send((None, EngineError(f"{name} failed: unexpected {type(error).__name__}: {text}")))
        raise


def end_with_parent() -> None:
    """Wait until the process that made this one ends, however it does, and end whatever is done for it."""
    parent = parent_process()
    assert parent is not None, "it was made by multiprocessing"
    parent.join()
    os._exit(1)
