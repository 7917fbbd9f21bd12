import shutil
import subprocess
from pathlib import Path

import pytest

from dinoflow_deploy.doctor import probes
from dinoflow_deploy.engines import backend
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.selftest import export_command, obstacles
from dinoflow_deploy.tensorrt import flavours

# By title of what is tried.
ANSWERS = {
    "torch on CUDA": {"torch on CUDA": "no CUDA device was found"},
    "ONNX Runtime": {"CPUExecutionProvider": None},
    "TensorRT": {"TensorRT": None},
}
NO_PLUGIN = ({"libraries": [], "needs": []}, None)


@pytest.fixture
def machine(monkeypatch):
    """Make up what is installed and what works."""

    def make(*missing: str, plugin: tuple[dict, str | None] = NO_PLUGIN, **answers: dict) -> None:
        known = ANSWERS | {name.replace("_", " "): answer for name, answer in answers.items()}
        monkeypatch.setattr(probes, "_tried_once", lambda title, function: known[title])
        monkeypatch.setattr(obstacles, "_plugin_status", lambda: plugin)
        for module in (obstacles, backend, flavours):
            monkeypatch.setattr(module, "is_installed", lambda name: name not in missing)

    return make


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
