import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.doctor import examination
from dinoflow_deploy.doctor.examination import Advice, Cache, Check, Package, Report
from dinoflow_deploy.system.gpus import Gpu
from dinoflow_deploy.system.machine import Machine

GPU = Gpu("NVIDIA GH200 480GB", 97871 << 20, "9.0", "580.65.06")
HEALTHY = Report(
    version="0.1.0",
    python="3.11.7 (/usr/bin/python3)",
    machine=Machine("Linux 6.8, glibc 2.39, aarch64", "Neoverse-V2", 72, 480 << 30, (GPU,), None),
    packages=(Package("numpy", "2.4.6"), Package("h5py", None)),
    runtimes=(Check("CPUExecutionProvider", None), Check("CUDAExecutionProvider", "libcublas is missing")),
    models=(Check("nano", None),),
    caches=(Cache("Hugging Face hub", "/home/user/.cache/huggingface/hub", 3 << 30),),
    problems=(),
    missing=(Advice("h5py", "reading .flo5 files", "pip install 'h5py[mpi]>=3'"),),
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    """Run the command on a report that is made up."""

    def invoke(report: Report, *arguments: str):
        monkeypatch.setattr(examination, "examine", lambda: report)
        return CliRunner(env={"COLUMNS": "80"}).invoke(app, ["doctor", *arguments])

    return invoke


def test_one_screen_says_it_all(run) -> None:
    result = run(HEALTHY)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) <= 24
    for expected in (
        "NVIDIA GH200 480GB, 95.6 GiB, compute capability 9.0",
        "numpy 2.4.6",
        "yes CPUExecutionProvider",
        "no  CUDAExecutionProvider: libcublas is missing",
        "yes nano",
        "3.0 GiB free",
        # In brackets, which rich would take for a style.
        "pip install 'h5py[mpi]>=3'",
    ):
        assert expected in result.stdout
    assert "h5py None" not in result.stdout
    assert "Problems" not in result.stdout


def test_a_problem_exits_1_and_its_command_is_on_one_line(run) -> None:
    command = (
        "pip uninstall --yes onnxruntime onnxruntime-gpu && pip install 'onnxruntime-gpu[cuda]' # to the end"
    )
    result = run(replace(HEALTHY, problems=(Advice("both installed", "one wins", command),)))
    assert result.exit_code == 1
    assert f"      {command}" in result.stdout.splitlines()


@pytest.mark.parametrize("option", [["--json"], ["--json", "-"], ["--json=-"]])
def test_json_is_everything(run, option: list[str]) -> None:
    result = run(HEALTHY, *option)
    assert json.loads(result.stdout) == json.loads(json.dumps(HEALTHY.to_dict()))
    assert result.exit_code == 0
