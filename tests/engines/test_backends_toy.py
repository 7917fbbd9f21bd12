"""A backend that this package does not know: one row, and every command runs, lists and explains it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.doctor.examination import Advice, Check, examine
from dinoflow_deploy.doctor.probes import device_problem
from dinoflow_deploy.engines import backend, load_engine
from dinoflow_deploy.engines.backends import all_backends, find_backend, register_backend, unregister_backend
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import read_flow
from dinoflow_deploy.models import builtin
from dinoflow_deploy.selftest.cases import SelfTestOptions, all_cases, backend_names
from dinoflow_deploy.selftest.obstacles import obstacle
from tests.engines.toy_backend import BACKEND, WRONG
from tests.small_bundles import WriteBundle

FRAMES = np.zeros((2, 64, 96, 3), np.uint8)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register_backend(BACKEND)
    yield
    unregister_backend(BACKEND.name)


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    path = tmp_path / "small.toy"
    path.write_text("3 -2")
    return path


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.stdout


def test_its_files_and_options_are_known_to_load_engine(toy: Path) -> None:
    with load_engine(toy) as engine:
        assert engine.describe().backend == "toy"
        np.testing.assert_array_equal(engine(*FRAMES)[0, 0], [3, -2])
    with load_engine(toy, "toy", swap=True) as engine:
        np.testing.assert_array_equal(engine(*FRAMES)[0, 0], [-2, 3])


def test_a_bundle_runs_on_it_when_asked(write_bundle: WriteBundle) -> None:
    folder = write_bundle()
    assert load_engine(folder, "toy").describe().backend == "toy"
    assert load_engine(folder, device="cpu").describe().backend == "openvino", "auto keeps its order"


def test_messages_name_it(toy: Path, write_bundle: WriteBundle) -> None:
    with pytest.raises(InputError, match=r"'pytorch' does not run .*, which is a toy: use toy$"):
        load_engine(toy, "pytorch")
    with pytest.raises(
        InputError, match=r"which is a bundle: use openvino, onnxruntime, onnxruntime-tensorrt, toy$"
    ):
        load_engine(write_bundle(), "pytorch")
    with pytest.raises(InputError, match=r"opencv, triton, torchvision, toy$"):
        load_engine(toy, "tflite")
    with pytest.raises(InputError, match=r"'toy' has no option 'size': it takes swap, unit, speed$"):
        load_engine(toy, size=1)
    with pytest.raises(InputError, match="it takes precision, and toy takes 'swap'"):
        load_engine("nano", "pytorch", swap=True)
    with pytest.raises(InputError, match=r"ends in .*\.toy"):
        load_engine(Path(__file__))


@pytest.mark.slow
def test_bench_measures_it_in_a_process_of_its_own(toy: Path, tmp_path: Path) -> None:
    quick = ("--size", "64x64", "--rounds", 1, "--seconds", 0.01, "--json", tmp_path / "found.json")
    run("bench", "--model", toy, "--backend", "toy", "--swap", *quick)
    found = json.loads((tmp_path / "found.json").read_text())
    (engine,) = found["engines"].values()
    assert (engine["backend"], found["settings"]["engine_options"]) == ("toy", {"swap": True})
    assert found["speed"][0]["pairs_per_second"] > 0


def test_video_computes_with_it_and_repeats_its_switch(toy: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, frame in zip(("a.png", "b.png"), FRAMES, strict=True):
        cv2.imwrite(name, frame)
    how = ("--model", toy, "--backend", "toy", "--swap", "--unit", "cells")
    shown = run("video", "a.png", "b.png", *how, "--save-flow", "flow", "--flow-format", "npy")
    flow, _ = read_flow(tmp_path / "flow" / "000000.npy")
    np.testing.assert_array_equal(flow, np.broadcast_to(np.float32([-32, 48]), (64, 96, 2)))
    assert f"--model {toy} --backend toy --swap --unit cells" in shown


def test_a_value_that_it_does_not_take_is_wrong_usage(toy: Path) -> None:
    done = CliRunner().invoke(app, ["bench", "--model", str(toy), "--unit", "miles"])
    assert done.exit_code == 2
    assert "'miles' is not one of 'px', 'cells'" in done.stderr


@pytest.mark.parametrize("command", ["video", "bench"])
def test_help_names_it_and_its_switch(command: str) -> None:
    shown = " ".join(run(command, "--help").split())
    assert "onnxruntime-tensorrt, triton, toy" in shown
    assert "--swap" in shown
    assert "Swap u and v." in shown
    assert "<px|cells>" in shown
    assert "--speed" not in shown, "an option without a help text is for Python"
    assert ".toy, .plan" in shown
    unregister_backend("toy")
    assert "toy" not in run(command, "--help")


def test_doctor_tries_it_and_says_what_is_missing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(builtin, "MODELS_FOLDER", tmp_path)
    monkeypatch.setattr(backend, "is_installed", lambda module: module == "json")
    report = examine()
    assert report.runtimes == (Check("toy on the CPU", None), Check("toy on CUDA", "no toy has a GPU"))
    assert Advice(WRONG.about, WRONG.effect, WRONG.command) in report.problems
    mending = [each.command for each in report.problems if each.about == "toy on CUDA does not work"]
    assert mending == (["mend toy on CUDA"] if report.machine.gpus else [])
    assert "toy-runtime" in [each.about for each in report.missing if each.effect == "playing"]


def test_the_self_test_lists_it() -> None:
    assert backend_names() == ("pytorch", "openvino", "onnxruntime", "toy", "tensorrt", "rtx")
    cases = all_cases(SelfTestOptions(models=("nano",), backends=("toy",)))
    assert [case.label for case in cases] == ["nano-fp32-toy-cpu-dynamic", "nano-fp16-toy-cpu-dynamic"]
    assert [obstacle(case) for case in cases] == [None, None]
    assert device_problem(BACKEND, "cuda") == "no toy has a GPU"
    shown = " ".join(run("selftest", "--help").split())
    assert "pytorch, openvino, onnxruntime, toy, tensorrt, or rtx (built, not run)" in shown


def test_a_name_of_this_package_is_not_replaced() -> None:
    with pytest.raises(InputError, match="there is a backend 'pytorch' already"):
        register_backend(replace(BACKEND, name="pytorch"))
    register_backend(BACKEND)
    assert [each.name for each in all_backends()].count("toy") == 1
    assert find_backend("toy") is BACKEND
