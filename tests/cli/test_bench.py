import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.datasets.scenes.synthetic_tree import write_synthetic_tree

pytestmark = pytest.mark.slow

QUICK = ("--size", "64x64", "--rounds", "1", "--seconds", "0.05", "--device", "cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tree") / "sintel"
    write_synthetic_tree("sintel", folder, pairs=3, size=(64, 96), seed=1)
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def test_speed_alone_and_its_json_alone_on_standard_output() -> None:
    result = run(*QUICK, "--json", "-")
    assert result.exit_code == 0, result.output
    assert [each["height"] for each in json.loads(result.stdout)["speed"]] == [64]
    assert "speed at 64x64, batch 1" in result.stderr
    assert "measured**" not in result.stderr


def test_one_engine_that_fails_is_named_and_ends_in_exit_code_1() -> None:
    result = run("--model", "absent", "--model", "nano", *QUICK)
    assert result.exit_code == 1
    assert "absent failed, and is left out: there is no file" in " ".join(result.stderr.split())
    assert "error: absent failed, and the result holds the others" in result.stderr
    assert re.search(r"\| nano +\| +[0-9]", result.stdout)
    assert re.search(r"\| absent +\| +failed \|", result.stdout)


def test_a_wrong_model_is_said_before_an_output_that_exists(tmp_path) -> None:
    (tmp_path / "result.json").write_text("mine")
    done = run("--model", "nanno", "--json", tmp_path / "result.json")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: there is no file, folder or built-in model 'nanno'")


def test_files_hold_what_is_printed(root, tmp_path) -> None:
    page = tmp_path / "report"
    files = [tmp_path / f"result.{kind}" for kind in ("json", "csv", "markdown")]
    written = [part for file in files for part in (f"--{file.suffix[1:]}", file)]
    arguments = ("--dataset", "sintel-clean,sintel-final", "--root", root, "--limit", 2, *QUICK, *written)
    arguments += ("--report", page)
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert "Worst pair: sintel-clean/" in (page / "index.html").read_text()
    assert files[2].read_text() == result.stdout
    assert [each["evaluated"] for each in json.loads(files[0].read_text())["datasets"]] == [2, 2]
    assert files[1].read_text().startswith("where,engine,quantity,value\n")
    again = run(*arguments)
    assert again.exit_code == 1
    assert f"{files[0]} exists: pass --overwrite" in again.stderr
    assert run(*arguments, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--dataset", "sintel"), 2, "--root DIR is needed"),
        (("--dataset", "sintel-cleen", "--root", "."), 1, "did you mean sintel-clean"),
        (("--dataset", "sintel-clean", "--root", "kitti-2015=x"), 2, "--dataset does not"),
        (("--dataset", "sintel-clean", "--root", "a", "--root", "b"), 2, "2 times without a name"),
        (("--dataset", "sintel-clean", "--root", "/nowhere"), 1, "/nowhere"),
        (("--model", "nothing"), 1, "no file, folder or built-in model 'nothing'"),
        (("--backend", "tensorflow"), 1, "'tensorflow' is not known"),
        (("--cuda-graph", "--device", "cpu"), 1, "has no option 'cuda_graph'"),
        (("--backend", "tensorrt"), 1, "--target tensorrt --output NEW builds a plan for it"),
        (("--size", "64"), 2, "--size is 64"),
        (("--resume",), 2, "--json"),
        (("--json", "/dev/null/a.json"), 1, "/dev/null is not a folder"),
        (("--report", "/dev/null/report"), 1, "/dev/null is not a folder"),
        (("--csv", "a.txt", "--markdown", "a.txt"), 1, "a.txt is named for two outputs"),
        (("--resume", "--json", "-"), 2, "--json file"),
    ],
)
def test_refusals(arguments, code, message) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_nothing_that_is_measured_on_is_written_over(root, tmp_path) -> None:
    flow = next(root.rglob("*.flo"))
    (tmp_path / "model.onnx").touch()
    for target in (flow, tmp_path / "model.onnx"):
        for option in ("--json", "--csv", "--markdown"):
            result = run(
                *("--model", tmp_path / "model.onnx", "--dataset", "sintel-clean", "--root", root),
                *(option, target, "--overwrite"),
            )
            assert result.exit_code == 1
            assert "is an input: give the output another name" in result.stderr


def test_missing_files_are_an_error_unless_asked_and_then_listed(tmp_path) -> None:
    write_synthetic_tree("sintel", tmp_path / "tree", pairs=3, size=(64, 96), seed=1)
    (lost,) = (tmp_path / "tree/training/flow").rglob("frame_0002.flo")
    lost.unlink()
    output = tmp_path / "result.json"
    arguments = ["--dataset", "sintel-clean", "--root", tmp_path / "tree", "--no-speed", "--device", "cpu"]
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert str(lost) in refused.stderr
    assert "--allow-missing of bench" in refused.stderr
    allowed = run(*arguments, "--allow-missing", "--json", output)
    assert allowed.exit_code == 0, allowed.output
    assert str(lost) in allowed.stderr
    assert "2 of 2 pairs, left out those with 1 missing file(s), measured" in allowed.stdout
    assert json.loads(output.read_text())["datasets"][0]["missing"] == [str(lost)]


# The command, which waits for Ctrl-C after seven pairs. What a shell runs in the background ignores it.
_INTERRUPTED = """
import signal, sys, time
from dinoflow_deploy.bench import benchmark
from dinoflow_deploy.cli.app import main

evaluate = benchmark.evaluate

def waiting(*arguments, **options):
    for state in evaluate(*arguments, **options):
        yield state
        if state.done == 7:
            print("at pair 7", flush=True)
            # The command restores Python's own handler when the first signal arrives.
            while signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
                time.sleep(0.01)

benchmark.evaluate = waiting
main()
"""


def test_ctrl_c_leaves_a_partial_result_that_resumes(tmp_path) -> None:
    write_synthetic_tree("sintel", tmp_path / "tree", pairs=20, size=(64, 96), seed=1)
    output = tmp_path / "result.json"
    arguments = ["bench", "--dataset", "sintel-clean", "--root", str(tmp_path / "tree")]
    arguments += ["--no-speed", "--device", "cpu", "--json", str(output)]
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "at pair 7\n", process.communicate()
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Partial" in printed
    assert "stopping: finishing this batch" in errors
    part = json.loads(output.read_text())
    assert part["partial"]
    assert part["datasets"][0]["evaluated"] == 8
    result = run(*arguments[1:], "--resume")
    assert result.exit_code == 0, result.output
    assert "12/12 pairs" in result.stderr
    assert "20 of 20 pairs, measured" in result.stdout
    whole = run(*arguments[1:], "--overwrite")
    lines = [line.split("|")[:-2] for text in (result.stdout, whole.stdout) for line in text.splitlines()]
    half = len(lines) // 2
    assert lines[:half] == lines[half:], "all but pairs per second"
