import shutil
import subprocess
from pathlib import Path

import pytest

from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.selftest import export_command, obstacles
from dinoflow_deploy.tensorrt import flavours

ANSWERS = {
    "torch on CUDA": {"torch on CUDA": "no CUDA device was found"},
    "ONNX Runtime": {"CPUExecutionProvider": None},
    "TensorRT": {"TensorRT": None},
}


def clear() -> None:
    for name in ("_torch_cuda", "_tensorrt", "_providers"):
        getattr(obstacles, name).cache_clear()


@pytest.fixture
def machine(monkeypatch):
    """Make up what is installed and what works."""

    def make(*missing: str, **answers: dict[str, str | None]) -> None:
        clear()
        known = ANSWERS | {name.replace("_", " "): answer for name, answer in answers.items()}
        monkeypatch.setattr(obstacles, "run_probe", known.__getitem__)
        shown = subprocess.CompletedProcess([], 0, "compiled  nothing yet\n", "")
        monkeypatch.setattr(obstacles, "_plugin_show", lambda: shown)
        for module in (obstacles, flavours):
            monkeypatch.setattr(module, "is_installed", lambda name: name not in missing)

    yield make
    clear()


@pytest.fixture
def exports(monkeypatch):
    """In place of exporting, a copy of the built-in bundle; gives the commands that were run."""
    commands: list[list[str]] = []

    def copy(command: list[str]) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        shutil.copytree(builtin_models()["nano"].bundle, Path(command[command.index("--output") + 1]))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(export_command, "_done", copy)
    return commands
