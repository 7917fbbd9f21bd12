import json
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from dinoflow_deploy import __version__
from dinoflow_deploy.bundles.manifest import FileInfo
from dinoflow_deploy.doctor import examination, probes
from dinoflow_deploy.doctor.examination import Check, examine
from dinoflow_deploy.engines import backend
from dinoflow_deploy.engines.onnxruntime import backend as onnxruntime_backend
from dinoflow_deploy.engines.tensorrt import backend as tensorrt_backend
from dinoflow_deploy.models import builtin
from dinoflow_deploy.system import own_process
from dinoflow_deploy.system.gpus import Gpu
from dinoflow_deploy.system.machine import describe_machine
from dinoflow_deploy.system.optional import install_command, requirements
from tests.small_bundles import difference_model, make_manifest

GPU = Gpu("NVIDIA GH200 480GB", 97871 << 20, "9.0", "580.65.06")
WORKS = {
    "ONNX Runtime": {"CPUExecutionProvider": None, "CUDAExecutionProvider": None},
    "OpenVINO": {"OpenVINO device cpu": None},
    "torch on CUDA": {"torch on CUDA": None},
    "TensorRT": {"TensorRT": None},
    "model": {"nano": None},
}


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Make up what is installed, what probes answer, and whether there is a GPU."""

    def make(installed: dict[str, str], outcomes: dict[str, dict], *, gpu: bool) -> None:
        def version(name: str) -> str:
            if name not in installed:
                raise metadata.PackageNotFoundError(name)
            return installed[name]

        (tmp_path / "nano" / "bundle").mkdir(parents=True)
        (tmp_path / "nano" / "bundle" / "manifest.json").touch()
        machine = replace(describe_machine(), gpus=(GPU,) if gpu else (), gpu_problem=None)
        monkeypatch.setattr(builtin, "MODELS_FOLDER", tmp_path)
        monkeypatch.setattr(metadata, "version", version)
        monkeypatch.setattr(examination, "describe_machine", lambda: machine)
        monkeypatch.setattr(backend, "is_installed", lambda module: any(module in name for name in installed))
        monkeypatch.setattr(examination, "try_backend", lambda probe: (WORKS | outcomes)[probe.title])
        monkeypatch.setattr(examination, "try_model", lambda *_: (WORKS | outcomes)["model"])

    return make


EVERYTHING = {wanted.distributions[-1]: "1.0" for wanted in examination.wanted_packages()}


def test_a_complete_installation_has_nothing_to_say(setting) -> None:
    setting(EVERYTHING, {}, gpu=True)
    report = examine()
    assert report.problems == ()
    assert report.missing == ()
    assert all(check.problem is None for check in report.runtimes)
    assert report.models == (Check("nano", None),)
    assert report.version == __version__


def test_each_missing_package_has_its_use_and_its_command(setting) -> None:
    setting({"numpy": "2.4", "onnxruntime": "1.32"}, {}, gpu=False)
    missing = {advice.about: advice for advice in examine().missing}
    assert missing["torch"].command == install_command(requirements("export"))
    assert missing["tensorboard"].command == install_command(requirements("train"))
    assert missing["av"].command.startswith("pip install 'av>=")
    assert missing["tensorrt-cu13"].effect == "building and running TensorRT plans"
    assert missing["h5py"].effect == "reading .flo5 files"
    assert "onnxruntime" not in missing
    assert "numpy" not in missing


@pytest.mark.parametrize(("gpu", "extra"), [(False, "cpu"), (True, "gpu")])
def test_the_runtime_to_install_fits_the_machine(gpu: bool, extra: str, setting) -> None:
    setting({"numpy": "2.4"}, {"model": {"nano": "needs onnxruntime"}}, gpu=gpu)
    report = examine()
    (advice,) = [advice for advice in report.missing if advice.about == "onnxruntime"]
    assert advice.command == install_command(requirements(extra))
    # That the model does not run follows from it.
    assert report.problems == ()


def test_both_runtimes_at_once_are_a_conflict(setting) -> None:
    setting(EVERYTHING | {"onnxruntime": "1.32"}, {}, gpu=True)
    report = examine()
    (problem,) = report.problems
    assert problem.about == "onnxruntime and onnxruntime-gpu are both installed"
    assert problem.command.startswith("pip uninstall --yes onnxruntime onnxruntime-gpu && pip install")
    assert ("onnxruntime and onnxruntime-gpu", "1.32 and 1.0") in [
        (package.name, package.version) for package in report.packages
    ]


@pytest.mark.parametrize("gpu", [False, True])
def test_what_needs_a_gpu_is_a_problem_only_where_there_is_one(gpu: bool, setting) -> None:
    outcomes = {
        "ONNX Runtime": {"CPUExecutionProvider": None, "CUDAExecutionProvider": "libcublas.so.13: not found"},
        "torch on CUDA": {"torch on CUDA": "torch 2.13.0+cpu is built without CUDA"},
        "TensorRT": {"TensorRT": "libnvinfer.so.11: not found"},
    }
    setting(EVERYTHING, outcomes, gpu=gpu)
    problems = examine().problems
    assert [problem.about for problem in problems] == (
        ["CUDAExecutionProvider does not work", "torch on CUDA does not work", "TensorRT does not work"]
        if gpu
        else []
    )
    assert all(problem.effect and problem.command for problem in problems)
    if gpu:
        assert problems[-1].command == install_command(requirements("tensorrt"), "--upgrade")


def test_a_driver_that_does_not_answer_is_a_problem(setting, monkeypatch: pytest.MonkeyPatch) -> None:
    setting(EVERYTHING, {}, gpu=False)
    machine = replace(examination.describe_machine(), gpu_problem="Driver/library version mismatch")
    monkeypatch.setattr(examination, "describe_machine", lambda: machine)
    (problem,) = examine().problems
    assert (problem.about, problem.effect) == ("nvidia-smi finds no GPU", "Driver/library version mismatch")


def test_a_gpu_beside_the_cpu_runtime_is_a_problem(setting) -> None:
    installed = {name: version for name, version in EVERYTHING.items() if name != "onnxruntime-gpu"}
    setting(installed | {"onnxruntime": "1.32"}, {"ONNX Runtime": {"CPUExecutionProvider": None}}, gpu=True)
    (problem,) = examine().problems
    assert problem.about == "ONNX Runtime has no CUDA provider"
    assert problem.command.startswith("pip uninstall --yes onnxruntime && pip install 'onnxruntime-gpu[")


@pytest.mark.parametrize(("version", "slow"), [("1.24.4", True), ("1.25.0", False), ("1.32.0", False)])
def test_an_onnx_runtime_that_samples_slowly_is_a_problem(version: str, slow: bool, setting) -> None:
    installed = {name: "1.0" for name in EVERYTHING if name != "onnxruntime-gpu"}
    setting(installed | {"onnxruntime": version}, {}, gpu=False)
    found = [(each.about, each.command) for each in examine().problems]
    command = "pip install --upgrade 'onnxruntime>=1.25'"
    assert found == ([("onnxruntime 1.24.4 is older than 1.25", command)] if slow else [])


def test_a_broken_gpu_runtime_is_not_joined_by_the_one_for_the_cpu(setting) -> None:
    setting(EVERYTHING, {"ONNX Runtime": {"ONNX Runtime": "undefined symbol"}}, gpu=False)
    (problem,) = examine().problems
    assert problem.about == "ONNX Runtime does not work"
    assert problem.command.startswith("pip install --force-reinstall 'onnxruntime-gpu[")


def test_a_model_that_does_not_run_is_a_problem(setting) -> None:
    setting(EVERYTHING, {"model": {"nano": "model.onnx is not the file that was exported"}}, gpu=False)
    (problem,) = examine().problems
    assert problem.about == "the built-in model nano does not run"


def test_the_report_is_json(setting) -> None:
    setting(EVERYTHING, {}, gpu=True)
    content = json.loads(json.dumps(examine().to_dict()))
    assert content["machine"]["gpus"][0]["compute_capability"] == "9.0"
    assert content["caches"][0]["free_bytes"] > 0


def test_this_installation_is_examined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(builtin, "MODELS_FOLDER", tmp_path)
    # The others take seconds to import.
    monkeypatch.setattr(backend, "is_installed", lambda module: module == "onnxruntime")
    report = examine()
    assert ("numpy", np.__version__) in [(package.name, package.version) for package in report.packages]
    assert Check("CPUExecutionProvider", None) in report.runtimes
    assert "no built-in model is installed" in [problem.about for problem in report.problems]


def test_the_model_probe_runs_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = tmp_path / "small" / "bundle"
    bundle.mkdir(parents=True)
    (bundle / "model.onnx").write_bytes(difference_model().SerializeToString())
    manifest = make_manifest({"model.onnx": FileInfo.of(bundle / "model.onnx")})
    (bundle / "manifest.json").write_text(manifest.to_json())
    monkeypatch.setattr(builtin, "MODELS_FOLDER", tmp_path)
    assert probes.builtin_model("small", str(bundle)) == {"small": None}


def test_a_provider_that_calls_a_service_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    providers = ["AzureExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: providers)
    assert onnxruntime_backend.probe() == {"CPUExecutionProvider": None}


def test_a_probe_that_raises_answers_with_the_error() -> None:
    (problem,) = probes.try_model("mine", "no-such-model").values()
    assert problem is not None
    assert problem.startswith("there is no file, folder or built-in model 'no-such-model'")


def test_a_probe_that_dies_or_hangs_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'driver mismatch' >&2\nkill -SEGV $$\n")
    python.chmod(0o755)
    monkeypatch.setattr(own_process.sys, "executable", str(python))
    probe = tensorrt_backend.BACKEND.probe
    assert probe is not None
    assert probes.try_backend(probe) == {"TensorRT": "the process ended with code -11: driver mismatch"}
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(own_process, "SECONDS", 0.2)
    assert probes.try_backend(probe) == {"TensorRT": "no answer within 0.2 s"}
