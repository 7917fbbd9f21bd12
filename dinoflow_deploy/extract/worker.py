"""What a worker's process does: it keeps an engine, and computes clip after clip.

Importing this module is cheap: a process reads it before it is told which cores and GPU are its own.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dinoflow_deploy.errors import DinoFlowError, EngineError, InputError
from dinoflow_deploy.extract.choices import FlowChoices
from dinoflow_deploy.extract.engine_choice import EngineChoice
from dinoflow_deploy.extract.row import ClipRow
from dinoflow_deploy.extract.task import Task
from dinoflow_deploy.system.system_errors import NO_SPACE, explain


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker is to do with every clip, and with what.

    Attributes:
        engine: What computes.
        choices: Which flow.
        model_sha256: SHA-256 that stands for the model where the run began.
        threads: Threads that it may use on the CPU; ``None`` for as many as there are cores.
        gpu: What it sees of the GPUs (``CUDA_VISIBLE_DEVICES``); ``None`` for what there is.
    """

    engine: EngineChoice
    choices: FlowChoices
    model_sha256: str
    threads: int | None = None
    gpu: str | None = None


class Worker:
    """An engine, and the number of pairs that it has computed.

    Args:
        settings: What to do.
        pairs: A number that other processes see (``multiprocessing.sharedctypes``).

    Raises:
        InputError: The model here is another one than where the run began, or takes fewer pairs at once.
        DinoFlowError: The engine cannot be loaded.
    """

    def __init__(self, settings: WorkerSettings, pairs: Any) -> None:
        self._settings = settings
        self._pairs = pairs
        if settings.gpu is not None:
            os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
            os.environ["CUDA_VISIBLE_DEVICES"] = settings.gpu
        if settings.threads is not None:
            # Of OpenMP: libraries that are loaded from here on ask for it.
            os.environ["OMP_NUM_THREADS"] = str(settings.threads)
            import cv2

            cv2.setNumThreads(settings.threads)
        if settings.engine.sha256() != settings.model_sha256:
            raise InputError(f"{settings.engine.model} is another model here than where the run began")
        self._engine = settings.engine.load(settings.threads)
        from dinoflow_deploy.video.compute_size import check_batch

        try:
            # Here, since it is no fault of a clip.
            check_batch(self._engine, settings.choices.batch)
        except InputError:
            self._engine.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def ready(self) -> None:
        """Answer as soon as the engine is loaded."""

    def extract(self, task: Task) -> ClipRow:
        """Compute a clip.

        Returns:
            Its row, which says what is wrong with the clip if something is.

        Raises:
            EngineError: The engine failed, and may not work any more.
            InputError: The disk is full: no other clip can be written either.
        """
        from dinoflow_deploy.extract.clip_flow import extract_clip

        try:
            return extract_clip(
                task, self._engine, self._settings.choices, self._settings.model_sha256, self._count
            )
        except EngineError:
            raise
        except Exception as error:  # whatever a library raises is of this clip, and the others go on
            if _is_full_disk(error):
                raise InputError(_reason(error)) from error
            return failed_row(task, _reason(error))

    def _count(self) -> None:
        self._pairs.value += 1


def failed_row(task: Task, reason: str) -> ClipRow:
    """The row of a clip without flow, as it is now."""
    from dinoflow_deploy.extract.source_state import SourceState

    try:
        state = SourceState.of(Path(task.path))
    except (OSError, DinoFlowError):
        return ClipRow(path=task.path, name=task.name, error=reason)
    return ClipRow(
        path=task.path,
        name=task.name,
        error=reason,
        source_files=state.files,
        source_bytes=state.bytes,
        source_mtime_ns=state.mtime_ns,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, DinoFlowError):
        return " ".join(str(error).split())
    if isinstance(error, OSError):
        return explain(error)
    if isinstance(error, MemoryError):
        return "out of memory: --max-side takes less"
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"


def _is_full_disk(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            return True
        error = error.__cause__
    return False
