"""The command; what it computes is tests/extract's."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.extract import ClipRow, EngineChoice, ExtractReport, FlowChoices
from dinoflow_deploy.system import optional

# Options as `extract` was called with them.
CALLS: list[tuple[tuple, dict]] = []


def report(failures: int = 0, *, interrupted: bool = False) -> ExtractReport:
    rows = tuple(ClipRow(path=f"/v/{each}.mp4", name="", error=f"reason {each}") for each in range(failures))
    return ExtractReport("flow", 20, 3, 2, rows, 30, 2.0, "nano", "0" * 64, "2 processes", interrupted)


@pytest.fixture
def outcome(monkeypatch, tmp_path) -> list[ExtractReport]:
    """What the run gives, which computes nothing."""
    monkeypatch.chdir(tmp_path)
    outcomes = [report()]
    CALLS.clear()

    def extract(*args: object, **given: object) -> ExtractReport:
        CALLS.append((args, given))
        return outcomes[0]

    monkeypatch.setattr("dinoflow_deploy.extract.run.extract", extract)
    return outcomes


def extract(*arguments: object):
    return CliRunner().invoke(app, ["extract", *map(str, arguments)])


def test_what_it_says_and_writes(outcome, tmp_path) -> None:
    result = extract("videos", "-o", "flow", "--json", "report.json")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "wrote flow: flow of 3 clips of 20, 2 done before, 30 pairs",
        "15 pairs/s, 2.0 s in all, 2 processes",
    ]
    written = json.loads((tmp_path / "report.json").read_text())
    assert (written["done"], written["skipped"], written["failed"], written["left"]) == (3, 2, 0, 15)
    result = extract("videos", "-o", "flow", "--json", "-")
    assert json.loads(result.stdout) == written


def test_failures_are_listed_and_are_an_exit_code_of_their_own(outcome, tmp_path) -> None:
    outcome[0] = report(12)
    result = extract("videos", "-o", "flow", "--json", "report.json")
    assert result.exit_code == 3
    lines = result.stderr.splitlines()
    assert lines[0] == "failed: /v/0.mp4: reason 0"
    assert lines[10] == "failed: 2 more, each with its reason in flow/manifest.jsonl"
    assert lines[11] == "next: the same command with --retry-failed tries these again"
    failures = json.loads((tmp_path / "report.json").read_text())["failures"]
    assert failures[11] == {"path": "/v/11.mp4", "error": "reason 11"}


def test_an_interruption_says_how_to_go_on(outcome) -> None:
    outcome[0] = report(interrupted=True)
    result = extract("videos", "-o", "flow")
    assert result.exit_code == 130
    assert result.stdout.startswith("stopped; wrote flow")
    assert result.stdout.endswith("next: the same command goes on\n")


def test_options_are_passed_on(outcome) -> None:
    arguments = ["a", "b", "-o", "flow", "--model", "small", "--backend", "onnxruntime", "--device", "cpu"]
    arguments += ["--precision", "fp32", "--batch", "4", "--max-side", "480", "--start", "1", "--frames", "9"]
    arguments += ["--stride", "2", "--format", "npy", "--also", "rgb", "--max-flow", "7", "--workers", "2"]
    assert extract(*arguments, "--retry-failed").exit_code == 0
    ((inputs, output, engine, choices), given) = CALLS[0]
    assert (inputs, output) == (["a", "b"], Path("flow"))
    assert engine == EngineChoice("small", "onnxruntime", "cpu", "fp32")
    assert choices == FlowChoices("npy", 4, 480, 1, 9, 2, 7.0)
    assert (given["workers"], given["ray"], given["retry_failed"]) == (2, None, True)


@pytest.mark.parametrize(
    ("arguments", "ray", "inputs"),
    [
        (["--ray", "a.mp4"], "", ["a.mp4"]),
        (["a.mp4", "--ray"], "", ["a.mp4"]),
        (["--ray", "--workers", "2", "a.mp4"], "", ["a.mp4"]),
        (["--ray", "head:6379", "a.mp4"], "head:6379", ["a.mp4"]),
        (["--ray", "auto", "a.mp4"], "auto", ["a.mp4"]),
        (["--ray=10.0.0.1:6379", "a.mp4"], "10.0.0.1:6379", ["a.mp4"]),
        (["a.mp4"], None, ["a.mp4"]),
    ],
)
def test_ray_stands_alone_or_with_an_address(outcome, arguments: list[str], ray: str, inputs) -> None:
    assert extract(*arguments, "-o", "flow").exit_code == 0
    assert (CALLS[0][1]["ray"], CALLS[0][0][0]) == (ray, inputs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nanno"], "no file, folder or built-in model 'nanno'"),
        (["--start", "-1"], "start is -1: the first frame is number 0"),
        (["--frames", "1"], "frames is 1: flow needs at least 2 frames"),
        (["--max-side", "8"], "max-side is 8: frames need at least 16 pixels"),
        (["--batch", "0"], "batch is 0: it must be at least 1"),
        (["--also", "rgb", "--max-flow", "0"], "max-flow is 0 px: it must be positive"),
    ],
)
def test_wrong_values_are_refused_before_the_work(outcome, arguments: list[str], message: str) -> None:
    result = extract("videos", "-o", "flow", *arguments)
    assert (result.exit_code, CALLS) == (1, [])
    assert message in result.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flow/manifest.jsonl", "flow/manifest.jsonl is named for two outputs"),
        ("flow/extract.json", "flow/extract.json is named for two outputs"),
        ("flow", "flow is named for two outputs"),
        ("a.mp4", "a.mp4 is an input: give the output another name"),
    ],
)
def test_the_report_replaces_neither_manifest_nor_clip(outcome, tmp_path, name: str, message: str) -> None:
    (tmp_path / "a.mp4").touch()
    result = extract("videos", "a.mp4", "-o", "flow", "--json", name, "--overwrite")
    assert (result.exit_code, CALLS) == (1, [])
    assert message in result.stderr


def test_precision_is_said_in_one_way(outcome) -> None:
    result = extract("videos", "-o", "flow", "--engine-precision", "bf16")
    assert (result.exit_code, CALLS) == (2, [])
    assert "--precision says it" in result.stderr


def test_a_scale_is_for_pictures(outcome) -> None:
    result = extract("videos", "-o", "flow", "--max-flow", "9")
    assert (result.exit_code, CALLS) == (2, [])
    assert "--also rgb" in result.stderr


@pytest.mark.parametrize(("options", "package"), [([], "pyarrow"), (["--ray"], "ray")])
def test_what_is_not_installed_is_said_with_what_brings_it(monkeypatch, tmp_path, options, package) -> None:
    monkeypatch.chdir(tmp_path)
    there = optional.is_installed
    monkeypatch.setattr(optional, "is_installed", lambda name: name.split(".")[0] != package and there(name))
    (tmp_path / "a.mp4").touch()
    result = extract("a.mp4", "-o", "flow", *options)
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error")]
    assert f"needs the package '{package}', which is not installed: pip install " in line
    assert not (tmp_path / "flow/a.mp4.mkv").exists()


def test_a_precision_that_the_model_has_not_is_said(write_bundle) -> None:
    choice = EngineChoice(str(write_bundle()), "onnxruntime", "cpu", "fp16")
    with pytest.raises(InputError, match=r"computes in fp32 with onnxruntime, not fp16: export it so"):
        choice.load()
