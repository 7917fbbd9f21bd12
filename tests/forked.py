"""Processes forked from one that has imported what they need, where how they start is not what is tested.

A new interpreter takes seconds to import torch; some tests start a dozen.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from dinoflow_deploy.system import worker_process
from dinoflow_deploy.system.interrupts import no_interrupts_for_children

# Not what starts a thread when it is imported, as the runtimes do.
IMPORTED = ("dinoflow_deploy.bench.engine_process", "dinoflow_deploy.engines.pytorch", "torch")


def forking() -> ForkServerContext:
    """Where such processes come from. They never receive Ctrl-C, as those that the package starts do not."""
    context = get_context("forkserver")
    context.set_forkserver_preload([*IMPORTED, "dinoflow_deploy.train.trainer"])
    with no_interrupts_for_children():
        forkserver.ensure_running()
    return context


@contextmanager
def forked_workers() -> Iterator[None]:
    """Within, every ``WorkerProcess`` of this process is forked; what it prints is lost."""
    context = forking()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_process, "get_context", lambda method: context)
        yield


def start_command(errors: Path, *arguments: str) -> ForkServerProcess:
    """Start ``dinoflow-deploy`` on one thread, in the environment of this process.

    Args:
        errors: File of what it prints.
        arguments: Of the command.
    """
    process = forking().Process(target=_run_command, args=(errors, dict(os.environ), arguments))
    process.start()
    return process


def _run_command(errors: Path, environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    import torch

    from dinoflow_deploy.cli.app import main

    os.environ.clear()
    os.environ.update(environment | {"OMP_NUM_THREADS": "1"})
    # Torch and tempfile have read theirs where they were imported.
    torch.set_num_threads(1)
    tempfile.tempdir = None
    with errors.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["dinoflow-deploy", *arguments]
    main()
