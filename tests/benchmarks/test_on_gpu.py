"""Everything that a GPU shows, tried out on a CPU: one run, looked at from all sides."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import tomllib
from argparse import Namespace
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import IO, Any

import pytest

from dinoflow_deploy.train.model import load_model
from tests.benchmarks.test_scripts import SCRIPTS, of_its_own

pytestmark = pytest.mark.slow

PARTS = ("tests", "onnxruntime", "video", "training rates")
RECIPE = """
[model]
backbone = "nano"
train_backbone = true
[optimizer]
warmup_steps = 2
ema_decay = 0.5
[[stages]]
steps = 8
batch_size = 1
synthetic = { seed = 1, height = 32, width = 32, max_motion = 4, min_objects = 0, max_objects = 0 }
[[stages]]
steps = 4
batch_size = 1
synthetic = { seed = 2, height = 32, width = 32, max_motion = 4, min_objects = 0, max_objects = 0 }
[validation]
every = 4
pairs = 1
synthetic = { seed = 3, height = 32, width = 32, max_motion = 4, min_objects = 0, max_objects = 0 }
"""


def command(folder: Path, *arguments: object) -> list[str]:
    words = [sys.executable, SCRIPTS / "on_gpu.py", "--device", "cpu", "--tiny", "--output", folder]
    return list(map(str, [*words, *arguments]))


def environment() -> dict[str, str]:
    """As on a machine where the package is not installed: the scripts find it themselves."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "OMP_NUM_THREADS": "1"
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("on_gpu") / "output"


@pytest.fixture(scope="module")
def printed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Every part in this process, which has imported what they need; other tests start them."""
    import on_gpu

    recipe = tmp_path_factory.mktemp("recipe") / "short.toml"
    recipe.write_text(RECIPE)
    asked = ("--parts", *PARTS, "--train", recipe, "--train-minutes", 3)
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patch, of_its_own(), redirect_stdout(printed):

        def run(of_parts: Any, part: Any, seconds: float, log: IO[bytes]) -> tuple[str, bool]:
            words = part.command("cpu", folder / "running.json", tiny=True)
            patch.setattr(sys, "argv", words)
            with redirect_stdout(StringIO()) as said:
                import_module(part.script).main()
            log.write(said.getvalue().encode())
            return "done", False

        patch.setattr(on_gpu.Run, "_command", run)
        patch.setattr(sys, "argv", command(folder, *asked)[1:])
        on_gpu.main()
    return printed.getvalue()


@pytest.fixture(scope="module")
def records(folder: Path, printed: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def test_leaves_one_table_and_few_small_files(folder: Path, printed: str) -> None:
    summary = (folder / "summary.md").read_text()
    assert summary.startswith("Nothing that needs a GPU was run")
    assert printed.endswith(f"\n{summary}")
    names = {"log.txt", "model.safetensors", "recipe.toml", "results.json", "summary.md"}
    assert {file.name for file in folder.iterdir()} == names
    assert all(file.stat().st_size < 16 << 20 for file in folder.iterdir())


@pytest.mark.parametrize(
    "line",
    [
        r"tests .*not run: it needs a GPU, and --device is cpu",
        r"onnxruntime .*done \(\d+ s\)",
        r"64x80 onnxruntime-fp16 .*[\d.]+ ms, floor [\d.]+, \d+ pairs/s, 2 rounds",
        r"64x80 onnxruntime-graph-fp16 .*not run: needs CUDA",
        r"video .*[\d.]+ pairs/s, [\d.]+ of the engine",
        r"nano, stage 3, 1 pairs, eager .*[\d.]+ pairs/s at 64x64",
        r"trained .*\d+ steps, best validation EPE [\d.]+ px",
    ],
)
def test_the_table_says_what_each_part_found(printed: str, line: str) -> None:
    assert re.search(line, printed), printed


def test_the_forward_pass(records: dict[str, Any]) -> None:
    results = {found["variant"]: found for found in records["onnxruntime"]["results"]}
    assert results.pop("onnxruntime-graph-fp16")["not_run"] == "needs CUDA"
    for found in results.values():
        assert 0 < found["latency_ms"]["min"] <= found["latency_ms"]["median"]
        assert found["pairs_per_second"]["min"] > 0
        assert found["floor_ms"] > 0
    # Rounded, so not the reference itself; and no more than rounded.
    assert 1e-5 < results["channels-last-bf16"]["difference"] < 0.05
    assert 1e-6 < results["onnxruntime-fp16"]["difference"] < 0.01
    (parts,) = records["onnxruntime"]["parts"]
    assert parts["ms"].keys() == parts["floor_ms"].keys()
    assert {"transformer blocks", "sampling, full", "the rest"} <= parts["ms"].keys()


def test_the_video_pipeline(records: dict[str, Any]) -> None:
    record = records["video"]
    assert record["pairs"] == 3
    assert 0 < record["ratio"]["min"] <= record["ratio"]["median"] <= record["ratio"]["max"]
    assert all(record["stage_ms_per_pair"][stage] > 0 for stage in ("decode", "engine", "render", "encode"))


def test_the_rates_of_training(records: dict[str, Any]) -> None:
    (found,) = records["training rates"]["results"]
    assert (found["model"], found["pairs"], found["size"], found["steps"]) == ("nano", 1, [64, 64], 10)
    assert found["variant"] == "eager"
    assert found["first_loss"] > 0
    assert found["pairs_per_second"] == pytest.approx(1000 / found["step_ms"]["median"])


def test_training_takes_the_recipe_that_was_fitted(folder: Path, records: dict[str, Any]) -> None:
    record = records["training"]
    fitted = tomllib.loads((folder / "recipe.toml").read_text())
    first, second = record["steps"]
    assert [stage["steps"] for stage in fitted["stages"]] == [first, second]
    # Both shorter by the same factor, and the warm-up with them: --tiny allows 6 steps of the recipe's 12.
    assert (first, second) == (4, 2)
    assert fitted["optimizer"]["warmup_steps"] == 1
    assert record["step"] == 6


def test_the_model_that_it_leaves_is_the_best_one(folder: Path, records: dict[str, Any]) -> None:
    assert records["training"]["model"] == "the best of its validations"
    assert load_model(folder / "model.safetensors").config.backbone == "nano"


class Scripted:
    """A part that is a few lines of Python, which find the record's path in their arguments."""

    needs = ()
    own_time = False

    def __init__(self, name: str, code: str, seconds: float = 120.0) -> None:
        self.name, self.title, self.code, self.seconds = name, f"what {name} does", code, seconds

    def command(self, device: str, output: Path, *, tiny: bool) -> list[str]:
        return ["-c", self.code, str(output)]


_WRITE = """
import json, os, pathlib, sys
record = {"machine": {"gpus": []}, "figures": [["rate", "3 pairs/s"]]}
pathlib.Path(sys.argv[1]).write_text(json.dumps(record))
"""


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run parts; gives how each went, and what it found."""
    import on_gpu

    monkeypatch.setattr(on_gpu, "LEAST_SECONDS", 0.0)
    arguments = Namespace(output=tmp_path, minutes=5.0, device="cpu", tiny=True)

    def run(*parts: Scripted) -> dict[str, tuple[str, bool, tuple]]:
        run = on_gpu.Run(arguments)
        for part in parts:
            run.do(part)
        run.finish()
        return {each.part.name: (each.how, each.failed, each.figures) for each in run.outcomes}

    return run


def test_a_part_that_crashes_or_takes_too_long_leaves_what_it_wrote_and_the_next_one_runs(
    rows, tmp_path, monkeypatch
):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    finds = f"import dinoflow_deploy as found; assert found.__file__.startswith({str(SCRIPTS.parent)!r})"
    figures = (("rate", "3 pairs/s"),)
    found = rows(
        Scripted("crash", f"{_WRITE}os.abort()"),
        Scripted("error", "raise SystemExit('error: 1 failed')"),
        Scripted("endless", "import signal; signal.pause()", seconds=0.0),
        Scripted("good", f"{finds}\n{_WRITE}"),
    )
    assert found["crash"] == ("failed with exit code -6, see log.txt: === crash", True, figures)
    assert found["error"] == ("failed with exit code 1, see log.txt: error: 1 failed", True, ())
    assert found["endless"] == ("stopped at its limit of 0 s", False, ())
    assert found["good"] == ("done", False, figures)
    assert list(json.loads((tmp_path / "results.json").read_text())) == ["crash", "good"]
    assert "=== error\nerror: 1 failed\n" in (tmp_path / "log.txt").read_text()
    assert not (tmp_path / "running.json").exists()


def test_what_a_part_leaves_running_ends_with_it() -> None:
    from on_gpu import stop

    child = "import signal; signal.alarm(100); signal.pause()"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{child}'])"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, process_group=0)
    assert process.wait(60) == 0
    stop(process)
    ended, _, _ = select.select([process.stdout], [], [], 60)
    assert ended, "the pipe is closed when the child that holds it has ended"


def test_ctrl_c_ends_the_part_and_prints_the_table(tmp_path: Path) -> None:
    output = tmp_path / "output"
    process = subprocess.Popen(
        command(output, "--parts", "tests", "training rates", "--train", "nano"),
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("training rates: ")
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert re.search(r"\| training rates +\|.*\| interrupted \(\d+ s\)", printed)
    assert re.search(r"\| training +\|.*\| not run: interrupted", printed)
    assert printed.endswith((output / "summary.md").read_text())


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("mine")
    done = subprocess.run(command(tmp_path), env=environment(), capture_output=True, text=True)
    assert done.returncode == 1
    assert "is not empty: name another folder" in done.stderr
    assert (tmp_path / "results.json").read_text() == "mine"


def test_without_a_gpu_nothing_is_run_and_that_is_no_failure(tmp_path: Path) -> None:
    words = [word for word in command(tmp_path / "output", "--device", "cuda") if word != "--tiny"]
    hidden = environment() | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(words, env=hidden, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.lstrip().startswith("Nothing that needs a GPU was run.")
    assert done.stdout.count("not run: ") == 12
