"""A target more is one module and one row: options, refusals, reuse, report, inspect come by themselves."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.cli.commands import Command
from dinoflow_deploy.cli.export import export_command
from dinoflow_deploy.cli.inspect import inspect
from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.engines.backends import register_backend, unregister_backend
from dinoflow_deploy.export import targets
from dinoflow_deploy.models.builtin import builtin_models
from tests.export.toy_target import BACKEND, TOY, ToyInfo, ToyMaker

pytestmark = pytest.mark.slow

Run = Callable[..., Any]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The command line of a package that has the toy's row."""
    monkeypatch.setattr(targets, "TARGETS", [*targets.TARGETS, TOY])
    register_backend(BACKEND)
    app = typer.Typer()
    app.command("export", cls=Command)(export_command(targets.TARGETS))
    app.command("inspect", cls=Command)(inspect)

    def invoke(*arguments: str | Path) -> Any:
        return CliRunner().invoke(app, [*map(str, arguments)])

    yield invoke
    unregister_backend(BACKEND.name)


@pytest.fixture
def bundle() -> Path:
    return builtin_models()["nano"].bundle


def toy_of(folder: Path) -> ToyInfo:
    (info,) = Bundle.open(folder).manifest.all_of(ToyInfo)
    return info


def test_its_options_stand_under_their_heading(run: Run) -> None:
    text = " ".join(run("export", "--help").stdout.split())
    assert "Toys" in text
    assert "--toy-factor" in text
    assert "<red|blue>" in text
    assert "or toy for one that multiplies." in " ".join(text.replace("│", " ").split())


def test_it_is_made_reported_and_reused(run: Run, bundle: Path, tmp_path: Path) -> None:
    arguments = ("export", "--model", bundle, "--target", "toy", "--toy-colour", "blue", "--output")
    done = run(*arguments, tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "toy      toy.json, 0.0 MB, built in 0.5 s" in done.stdout
    assert (toy_of(tmp_path / "out").colour, toy_of(tmp_path / "out").factor) == ("blue", 1.0)
    before = ToyMaker.made
    again = run(*arguments, tmp_path / "out", "--toy-hurry")
    assert again.exit_code == 0, again.output
    assert "reused: it was there already" in again.stdout
    assert ToyMaker.made == before


@pytest.mark.parametrize("change", [("--toy-factor", "2"), ("--toy-colour", "red")])
def test_every_option_not_declared_outside_is_in_its_key(
    change: tuple[str, str], run: Run, bundle: Path, tmp_path: Path
) -> None:
    arguments = ("export", "--model", bundle, "--target", "toy", "--output", tmp_path / "out", "--no-verify")
    assert run(*arguments, "--toy-colour", "blue").exit_code == 0
    other = run(*arguments, *(() if change[1] == "red" else ("--toy-colour", "blue")), *change)
    assert "is another bundle: its toy is blue and multiplies by 1" in str(other.exception)


def test_its_options_are_refused_elsewhere_and_checked(run: Run, bundle: Path, tmp_path: Path) -> None:
    output = ("--output", tmp_path / "out")
    onnx = run("export", "--model", "nano", "--toy-factor", "2", *output)
    assert onnx.exit_code == 2
    assert "--toy-factor is for --target toy" in " ".join(onnx.output.replace("│", " ").split())
    plans = run("export", "--model", bundle, "--target", "toy", "--plugin", "none", *output)
    assert plans.exit_code == 2
    assert "--plugin is for --target tensorrt" in " ".join(plans.output.replace("│", " ").split())
    wrong = run("export", "--model", bundle, "--target", "toy", "--toy-factor", "-1", *output)
    assert "the toy's factor -1 is not above 0" in str(wrong.exception)
    assert not (tmp_path / "out").exists()


def test_flow_that_is_not_the_reference_s_is_not_written(run: Run, bundle: Path, tmp_path: Path) -> None:
    doubled = ("--target", "toy", "--toy-factor", "2", "--output", tmp_path / "out")
    done = run("export", "--model", bundle, *doubled)
    assert "is not that of onnxruntime fp32" in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_other_artefacts_stay_and_inspect_shows_it(run: Run, bundle: Path, tmp_path: Path) -> None:
    done = run("export", "--model", bundle, "--target", "toy", "--output", tmp_path / "out", "--no-verify")
    assert done.exit_code == 0, done.output
    manifest = Bundle.open(tmp_path / "out").manifest
    assert [each.kind for each in manifest.artefacts] == ["onnx", "toy"]
    assert manifest.onnx == Bundle.open(bundle).manifest.onnx
    text = " ".join(run("inspect", tmp_path / "out").stdout.split())
    assert "toy toy.json" in text
    assert "factor 1.0, colour red" in text
    shown = json.loads(run("inspect", tmp_path / "out", "--json").stdout)
    assert shown["manifest"]["artefacts"][1]["details"] == {"factor": 1.0, "colour": "red"}


def test_an_engine_runs_it(run: Run, bundle: Path, tmp_path: Path) -> None:
    arguments = ("--target", "toy", "--toy-factor", "2", "--output", tmp_path / "out", "--no-verify")
    assert run("export", "--model", bundle, *arguments).exit_code == 0
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    with load_engine(tmp_path / "out", "toy") as toy, load_engine(bundle, "onnxruntime", "cpu") as plain:
        assert toy.describe().provider == "a red toy"
        np.testing.assert_allclose(toy(*frames), 2 * plain(*frames), rtol=1e-6)


def test_weights_are_exported_with_it(run: Run, tmp_path: Path) -> None:
    arguments = ("--model", "nano", "--target", "toy", "--size", "64x96", "--output", tmp_path / "out")
    done = run("export", *arguments)
    assert done.exit_code == 0, done.output
    manifest = Bundle.open(tmp_path / "out").manifest
    assert [each.kind for each in manifest.artefacts] == ["onnx", "toy"]
    assert toy_of(tmp_path / "out").inputs == manifest.onnx.inputs
    assert manifest.onnx.inputs.batch.max == 1
    assert "next     dinoflow-deploy video in.mp4 --model" in done.stdout
    again = run("export", *arguments)
    assert "reused: it was there already" in again.stdout
