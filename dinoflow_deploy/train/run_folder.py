"""What a training run keeps on disk."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dinoflow_deploy.atomic import check_writable
from dinoflow_deploy.errors import TrainingError
from dinoflow_deploy.system.locks import file_lock

_LOCK: Final = "lock"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of one run: ``RUN/{checkpoint,best,last}.safetensors`` and ``RUN/tensorboard``."""

    path: Path

    @property
    def checkpoint(self) -> Path:
        """Everything needed to go on."""
        return self.path / "checkpoint.safetensors"

    @property
    def best(self) -> Path:
        """The complete model with the lowest validation error; there from the first validation on."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """The complete model of the last checkpoint."""
        return self.path / "last.safetensors"

    @property
    def tensorboard(self) -> Path:
        """Training curves."""
        return self.path / "tensorboard"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; a process that dies, however it dies, lets go.

        Workers of a torchrun that was killed live on for a while: two runs must not write the same files.

        Raises:
            TrainingError: Another process holds it.
        """
        made = not self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            try:
                held.enter_context(file_lock(self.path / _LOCK, wait=False))
            except BlockingIOError as error:
                raise TrainingError(
                    f"another process is training in {self.path}: wait for it or stop it, "
                    "or choose another --output"
                ) from error
            try:
                yield
            except BaseException:
                if made and [each.name for each in self.path.iterdir()] == [_LOCK]:
                    # Nothing was begun here.
                    shutil.rmtree(self.path)
                raise

    def check(self, *, resume: bool, init_from: Path | None) -> None:
        """Refuse to overwrite a run, or to resume and start at once.

        Raises:
            TrainingError: The folder holds a run or its models and ``resume`` is false, or both ways to begin
                are given.
            InputError: Nothing can be written there.
        """
        if resume and init_from:
            raise TrainingError(
                "--resume goes on with a run and --init-from starts one from other weights: pass one of them"
            )
        if self.checkpoint.exists() and not resume:
            raise TrainingError(
                f"{self.path} holds a training run already: pass --resume to go on with it, "
                "or another --output"
            )
        # A run that was killed before its first checkpoint is begun again with --resume too.
        models = [path for path in (self.best, self.last) if path.exists()]
        if models and not resume:
            raise TrainingError(f"{models[0]} exists, and this run would replace it: choose another --output")
        check_writable(self.checkpoint)
