"""The export or build that a case needs, run as a user would: the command, in a process of its own."""

import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from dinoflow_deploy.engines.inductor.backend import PACKAGE
from dinoflow_deploy.engines.tensorrt.backend import PLAN
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.selftest.cases import BUILT_ONLY, Case

_LARGEST = (1088, 1920)


@dataclass(frozen=True, slots=True)
class ExportCommand:
    """An export.

    Attributes:
        model: What is exported, by name.
        arguments: How: options of ``dinoflow-deploy export``.
    """

    model: str
    arguments: tuple[str, ...]

    @classmethod
    def of(cls, case: Case, size: tuple[int, int]) -> "ExportCommand":
        """The export of a case.

        Args:
            case: Any but one of PyTorch.
            size: Height and width in pixels, where it has one shape; else what it is tuned for.
        """
        arguments = ["--precision", case.precision]
        if case.static:
            arguments += ["--size", _size(size), "--batch", "1"]
        if case.artefact == PLAN.name:
            arguments += ["--target", "tensorrt", "--flavour", case.backend, "--plugin", case.plugin]
            arguments += [] if case.static else _range(size)
        if case.artefact == PACKAGE.name:
            arguments += ["--target", "inductor", "--device", case.device]
            arguments += [] if case.static else _range(size)
        if case.backend in BUILT_ONLY:
            arguments += ["--compute-capability", "89"]
        return cls(case.model, tuple(arguments))

    def text(self, folder: str) -> str:
        """The command as it can be typed."""
        return shlex.join(["dinoflow-deploy", *self._words(self.model, folder)])

    def run(self, weights: Path, folder: Path) -> float:
        """Run it.

        Args:
            weights: The complete model.
            folder: The bundle to write.

        Returns:
            Seconds that it took.

        Raises:
            ExportError: It failed; the message is the command's own.
            KeyboardInterrupt: Ctrl-C stopped it.
        """
        command = [sys.executable, "-m", "dinoflow_deploy", *self._words(str(weights), str(folder))]
        began = time.monotonic()
        done = _done(command)
        if done.returncode in (130, -signal.SIGINT):
            raise KeyboardInterrupt
        if done.returncode:
            raise ExportError(_reason(done))
        return time.monotonic() - began

    def _words(self, model: str, folder: str) -> list[str]:
        return ["export", "--model", model, *self.arguments, "--output", folder]


def _done(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _range(size: tuple[int, int]) -> list[str]:
    height, width = (max(side, largest) for side, largest in zip(size, _LARGEST, strict=True))
    return ["--min", "64x64,1", "--opt", f"{_size(size)},1", "--max", f"{height}x{width},1"]


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    begins = [index for index, line in enumerate(lines) if line.startswith("error: ")]
    if done.returncode > 0 and begins:
        return " ".join(lines[begins[-1] :]).removeprefix("error: ")
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return f"the process died of {name}; it last said: {os.linesep.join(lines[-3:])}"
    return f"exit code {done.returncode}: {' '.join(lines[-3:])}"
