"""A run killed at any moment and resumed ends where one that never stopped ends, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.processes import descendants
from tests.train.tiny_recipe import write_tiny_recipe

pytestmark = pytest.mark.slow


@pytest.fixture
def temporary(tmp_path_factory, monkeypatch) -> Path:
    """For temporary files, which what is killed leaves; near the root, for its sockets."""
    folder = tmp_path_factory.mktemp("t")
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def start(recipe: Path, output: Path, processes: int) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable,
        "-m",
        "dinoflow_deploy",
        "train",
        "--recipe",
        str(recipe),
        "--output",
        str(output),
    ]
    command += ["--device", "cpu", "--resume", "--nproc", str(processes)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: "subprocess.Popen[bytes]") -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()


def kill_tree(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL to a process and everything it started, as a machine that fails would."""
    for child in reversed([process.pid, *descendants(process.pid)]):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    process.communicate()


def wait_for_change(path: Path, before: int, process: "subprocess.Popen[bytes]") -> None:
    """Until the file is another than ``before``, or the process has ended."""
    deadline = time.monotonic() + 300
    while stamp(path) == before and process.poll() is None:
        assert time.monotonic() < deadline, "no progress"
        time.sleep(0.002)


def stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


BEFORE, AT_ONCE, LATER = (
    ("tensorboard", 0.1),
    ("checkpoint.safetensors", 0.0),
    ("checkpoint.safetensors", 0.2),
)
"""When a run is killed: before its first checkpoint, right after one is written, and a little later."""


@pytest.mark.parametrize(
    ("processes", "workers", "moments"), [(1, 1, (BEFORE, AT_ONCE, LATER)), (2, 0, (LATER,))]
)
def test_killed_and_resumed_equals_uninterrupted(tmp_path, temporary, processes, workers, moments):
    recipe = write_tiny_recipe(tmp_path, workers=workers, batch_size="2")
    finish(start(recipe, tmp_path / "whole", processes))
    left = {path.name.partition("_")[0] for path in temporary.iterdir()}
    assert left <= {"torchinductor"}, "left over from a run that ended, but for torch's own cache"
    output = tmp_path / "killed"
    for name, delay in moments:
        awaited = output / name
        process = start(recipe, output, processes)
        wait_for_change(awaited, stamp(awaited), process)
        time.sleep(delay)
        kill_tree(process)
    finish(start(recipe, output, processes))
    for name in ("last.safetensors", "best.safetensors", "checkpoint.safetensors"):
        whole, killed = load_file(tmp_path / "whole" / name), load_file(output / name)
        assert whole.keys() == killed.keys()
        for key, value in whole.items():
            assert torch.equal(value, killed[key]), f"{name}: {key}"
    assert not list(output.glob("*.partial*")), "left over from a killed write"
