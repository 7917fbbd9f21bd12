import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from dinoflow_deploy import selftest
from dinoflow_deploy.cli.app import app
from dinoflow_deploy.selftest.cases import Case
from dinoflow_deploy.selftest.results import CaseResult, SelfTestResult

MACHINE = {"processor": "P", "cores": 2, "system": "S", "gpus": [], "gpu_problem": None}
DONE = SelfTestResult(
    {"machine": MACHINE, "versions": {"python": "3.11"}},
    {"size": [448, 1024]},
    (CaseResult(Case("nano", "fp32", "pytorch", "cpu"), "passed"),),
)
BROKEN = CaseResult(Case("nano", "fp16", "pytorch", "cpu"), "failed", "no")
SKIPPED = replace(DONE, results=(CaseResult(Case("nano", "fp16", "tensorrt", "cuda"), "skipped", "no GPU"),))
FAILED = replace(DONE, results=(*DONE.results, BROKEN))


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def invoke(result: SelfTestResult, *arguments: str):
        asked = []

        def pretend(options, progress, **_):
            asked.append(options)
            return result

        monkeypatch.setattr(selftest, "run_selftest", pretend)
        return CliRunner().invoke(app, ["selftest", *arguments]), asked

    return invoke


@pytest.mark.parametrize(("result", "code"), [(DONE, 0), (FAILED, 1), (replace(DONE, partial=True), 130)])
def test_writes_both_files_and_says_how_it_went(run, tmp_path, result: SelfTestResult, code: int) -> None:
    done, _ = run(result, "--output", "mine")
    assert done.exit_code == code
    assert len(json.loads((tmp_path / "mine.json").read_text())["results"]) == len(result.results)
    assert (tmp_path / "mine.md").read_text() in done.stdout
    assert "wrote mine.json and mine.md" in done.stdout


def test_nothing_tried_is_no_success(run) -> None:
    done, _ = run(SKIPPED)
    assert done.exit_code == 4
    assert done.stdout.splitlines()[0] == "**dinoflow-deploy self-test: nothing was tried, 1 skipped**"
    assert "no GPU" in done.stdout
    # What was interrupted before its first case says that it was.
    done, _ = run(replace(SKIPPED, partial=True), "--overwrite")
    assert done.exit_code == 130
    assert done.stdout.startswith("**dinoflow-deploy self-test: interrupted: 0 passed")


def test_passes_on_what_was_asked_for(run) -> None:
    _, (options,) = run(
        DONE, "--model", "nano", "--backend", "tensorrt", "--backend", "rtx", "--size", "64x128"
    )
    assert (options.models, options.backends, options.size) == (("nano",), ("tensorrt", "rtx"), (64, 128))


def test_nothing_is_tried_where_the_result_could_not_be_written(run, tmp_path) -> None:
    (tmp_path / "dinoflow-selftest.md").write_text("mine")
    done, asked = run(DONE)
    assert (done.exit_code, asked) == (1, [])
    assert "--overwrite" in done.stderr
    assert run(DONE, "--overwrite")[0].exit_code == 0
    done, asked = run(DONE, "--output", "dinoflow-selftest.md/here")
    assert (done.exit_code, asked) == (1, [])
    assert "dinoflow-selftest.md is not a folder" in done.stderr
