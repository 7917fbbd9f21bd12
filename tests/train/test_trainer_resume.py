"""A run killed at any moment and resumed ends where one that never stopped ends, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dinoflow_deploy.train.distributed import Process
from dinoflow_deploy.train.recipe import load_recipe
from dinoflow_deploy.train.trainer import train
from tests.forked import start_command
from tests.processes import descendants
from tests.train.test_distributed import in_processes, pool
from tests.train.tiny_recipe import write_tiny_recipe

pytestmark = pytest.mark.slow

__all__ = ["pool"]


@pytest.fixture
def temporary(tmp_path_factory, monkeypatch) -> Path:
    """For temporary files, which what is killed leaves; near the root, for its sockets."""
    folder = tmp_path_factory.mktemp("t")
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def arguments(recipe: Path, output: Path, processes: int) -> list[str]:
    words = ["train", "--recipe", str(recipe), "--output", str(output)]
    return [*words, "--device", "cpu", "--resume", "--nproc", str(processes)]


def run(recipe: Path, output: Path, processes: int) -> None:
    """From where the run stands to its end, as a user would."""
    command = [sys.executable, "-m", "dinoflow_deploy", *arguments(recipe, output, processes)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def train_whole(process: Process, recipe: Path, output: Path) -> None:
    train(load_recipe(str(recipe)), output, process)


def kill_tree(process: BaseProcess) -> None:
    """SIGKILL to a process and everything it started, as a machine that fails would."""
    assert process.pid is not None
    for child in reversed([process.pid, *descendants(process.pid)]):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    process.join()


def wait_for_change(path: Path, before: int, process: BaseProcess) -> None:
    """Until the file is another than ``before``, or the process has ended."""
    deadline = time.monotonic() + 300
    while stamp(path) == before and process.is_alive():
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
def test_killed_and_resumed_equals_uninterrupted(tmp_path, pool, temporary, processes, workers, moments):
    # Loader processes change nothing, as their own test shows.
    recipe = write_tiny_recipe(tmp_path, batch_size="2")
    in_processes(pool, processes, train_whole, recipe, tmp_path / "whole")
    recipe = write_tiny_recipe(tmp_path, workers=workers, batch_size="2")
    output = tmp_path / "killed"
    for name, delay in moments:
        awaited = output / name
        process = start_command(tmp_path / "errors", *arguments(recipe, output, processes))
        wait_for_change(awaited, stamp(awaited), process)
        time.sleep(delay)
        assert process.exitcode in (None, 0), (tmp_path / "errors").read_text()
        kill_tree(process)
    left = set(temporary.iterdir())
    run(recipe, output, processes)
    new = {path.name.partition("_")[0] for path in set(temporary.iterdir()) - left}
    assert new <= {"torchinductor"}, "left over from a run that ended, but for torch's own cache"
    for name in ("last.safetensors", "best.safetensors", "checkpoint.safetensors"):
        straight, killed = load_file(tmp_path / "whole" / name), load_file(output / name)
        assert straight.keys() == killed.keys()
        for key, value in straight.items():
            assert torch.equal(value, killed[key]), f"{name}: {key}"
    assert not list(output.glob("*.partial*")), "left over from a killed write"
