import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from typer.testing import CliRunner

from dinoflow_deploy.cli import train as command
from dinoflow_deploy.cli.app import app
from dinoflow_deploy.train.model import load_model
from dinoflow_deploy.train.recipe import recipe_text
from dinoflow_deploy.train.run_folder import RunFolder
from dinoflow_deploy.train.trainer import TrainingResult
from tests.processes import descendants
from tests.train.micro import Recorder, micro
from tests.train.tiny_recipe import write_tiny_recipe

pytestmark = pytest.mark.slow

__all__ = ["micro"]


def _train(*arguments: str | Path):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["train", *map(str, arguments)])


@pytest.fixture
def recipe(tmp_path, micro) -> Path:
    return write_tiny_recipe(tmp_path, backbone='"micro"')


def test_show_prints_a_recipe_to_copy():
    result = _train("--recipe", "nano", "--show")
    assert result.exit_code == 0
    assert result.stdout.strip() == recipe_text("nano").strip()
    assert tomllib.loads(result.stdout)["model"]["backbone"] == "nano"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "nano"], "--output RUN is needed"),
        ([], "Missing option '--recipe'"),
        (["--recipe", "nano", "--output", "x", "--nproc", "0"], "Invalid value for '--nproc'"),
    ],
)
def test_wrong_usage_exits_2(arguments, message):
    result = _train(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("processes", [1, 2])
def test_mistakes_are_one_line_and_exit_1(processes, tmp_path, recipe, monkeypatch):
    # Each of several processes would print it.
    monkeypatch.setattr("dinoflow_deploy.train.distributed.launch", lambda processes: pytest.fail("launched"))
    broken = tmp_path / "broken.toml"
    broken.write_text(recipe.read_text().replace("warmup_steps", "warmup"))
    odd = tmp_path / "odd.toml"
    odd.write_text(re.sub("batch_size = .*", "batch_size = 3\nmicro_batch = 2", recipe.read_text()))
    output = ["--output", tmp_path / "run", "--nproc", str(processes)]
    for arguments, message in (
        (["--recipe", "nanoo"], "error: no recipe 'nanoo': choose one of chairs-th"),
        (["--recipe", broken], f"error: recipe {broken}: optimizer has unknown keys warmup: known are"),
        (["--recipe", recipe, "--device", "tpu"], "error: --device tpu: choose auto, cpu or cuda"),
        (["--recipe", recipe, "--init-from", "no.safetensors", "--device", "cpu"], "no.safetensors"),
        (["--recipe", recipe, "--init-from", "smal", "--device", "cpu"], "did you mean 'small'?"),
        (["--recipe", recipe, "--init-from", "small", "--resume", "--device", "cpu"], "pass one of them"),
        (
            ["--recipe", recipe, "--init-from", "nano", "--device", "cpu"],
            "is a nano model and the recipe trains",
        ),
        (
            ["--recipe", odd, "--device", "cpu"],
            "batch" if processes == 2 else "micro_batch 2 of stage 0 does not",
        ),
    ):
        result = _train(*arguments, *output)
        assert result.exit_code == 1
        assert message in result.stderr
        assert "Traceback" not in result.stderr
        assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_cuda_that_is_not_there_says_what_to_do(tmp_path, recipe):
    result = _train("--recipe", recipe, "--output", tmp_path / "run", "--device", "cuda")
    assert result.exit_code == 1
    assert "torch finds no CUDA device here; install a CUDA build of torch" in result.stderr
    assert "--device cpu" in result.stderr


def test_on_a_cpu_memory_of_any_size_is_kept_for_the_next_step(tmp_path, recipe, monkeypatch):
    kept = []
    monkeypatch.setattr(command, "keep_freed_memory", lambda *, of_any_size: kept.append(of_any_size))
    assert _train("--recipe", recipe, "--output", tmp_path / "run", "--device", "cpu").exit_code == 0
    assert kept == [True]


def test_a_run_prints_where_its_models_are_and_what_comes_next(tmp_path, recipe):
    arguments = ["--recipe", recipe, "--output", tmp_path / "run", "--device", "cpu"]
    result = _train(*arguments)
    assert result.exit_code == 0, result.stderr
    best = tmp_path / "run/best.safetensors"
    assert "done: 10 steps, best validation EPE " in result.stdout
    for line in (f"best model  {best}", f"dinoflow-deploy export --model {best} --output bundle"):
        assert line in result.stdout
    assert "training on cpu in 1 process(es)" in result.stderr
    assert "training: 10 steps" in result.stderr
    again = _train(*arguments)
    assert again.exit_code == 1
    assert f"error: {tmp_path / 'run'} holds a training run already: pass --resume" in again.stderr
    assert _train(*arguments, "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("errors", "said", "mark"),
    [
        ((None, 1.5), "done: 10 steps, best validation EPE 1.500 px\n", ""),
        ((2.0, 1.5), "done: 10 steps, validation EPE 2.000 px at the start, 1.500 px at its best\n", ""),
        ((2.0, 2.0), "10 steps, the start, validation EPE 2.000 px, was never beaten: a low", " (the start)"),
    ],
)
def test_the_end_says_whether_the_start_was_beaten(errors, said, mark, tmp_path, capsys):
    folder = RunFolder(tmp_path)
    folder.best.touch()
    command._print(TrainingResult(10, *errors, True, folder), "nano")
    printed = capsys.readouterr().out
    assert said in printed
    assert f"best model  {folder.best}{mark}\n" in printed


def test_stopped_before_a_validation_there_is_no_best_model(tmp_path, capsys):
    command._print(TrainingResult(2, None, float("inf"), False, RunFolder(tmp_path)), None)
    printed = capsys.readouterr().out
    assert f"last model  {tmp_path}/last.safetensors" in printed
    assert "best" not in printed
    assert "inf" not in printed


def test_several_processes_give_the_exit_code_of_the_launch(tmp_path, recipe, monkeypatch):
    monkeypatch.setattr("dinoflow_deploy.train.distributed.launch", lambda processes: 40 + processes)
    assert _train("--recipe", recipe, "--output", tmp_path / "run", "--nproc", "2").exit_code == 42
    assert not (tmp_path / "run").exists()


def test_an_interrupted_run_says_how_to_go_on(tmp_path, recipe, monkeypatch):
    class Interrupting(Recorder):
        def advance(self, amount: float = 1.0, **figures: float) -> None:
            super().advance(amount, **figures)
            if len(self.figures) == 3:
                signal.raise_signal(signal.SIGINT)

    @contextmanager
    def progress() -> Iterator[Recorder]:
        yield Interrupting()

    monkeypatch.setattr(command, "TerminalProgress", progress)
    arguments = ["--recipe", recipe, "--output", tmp_path / "run", "--device", "cpu"]
    result = _train(*arguments)
    assert result.exit_code == 130
    assert "stopped at step 3; to go on: the same command with --resume\n" in result.stdout
    last = tmp_path / "run/last.safetensors"
    assert f"last model  {last}\n" in result.stdout
    assert load_model(last).config.backbone == "micro"
    monkeypatch.undo()
    assert _train(*arguments, "--resume").exit_code == 0


def test_ctrl_c_at_a_terminal_saves_and_exits_130(tmp_path):
    """It goes to the loaders as well as to the command, even while they still import what they need."""
    recipe = write_tiny_recipe(tmp_path, workers=1, steps="100000", checkpoint_every="100000")
    arguments = ["--recipe", recipe, "--output", tmp_path / "run", "--device", "cpu"]
    with subprocess.Popen(
        [sys.executable, "-m", "dinoflow_deploy", "train", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any(line.startswith("training: 200000 steps") for line in lines)
        while not _loaders_start(process):
            assert process.poll() is None, process.stderr.read()
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    # The first, unless this process was kept waiting.
    step = re.search(r"stopped at step (\d+);", output)
    assert step
    assert "Traceback" not in errors
    with safe_open(tmp_path / "run/checkpoint.safetensors", framework="pt") as file:
        assert f'"step": {step[1]},' in file.metadata()["dinoflow_checkpoint"]


def _loaders_start(process: "subprocess.Popen[str]") -> bool:
    """Whether the server that forks the loaders has been started."""
    for child in descendants(process.pid):
        with suppress(OSError):
            if b"forkserver" in Path(f"/proc/{child}/cmdline").read_bytes():
                return True
    return False
