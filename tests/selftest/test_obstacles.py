import subprocess

import pytest

from dinoflow_deploy.selftest import obstacles
from dinoflow_deploy.selftest.cases import Case
from dinoflow_deploy.selftest.obstacles import obstacle

PLAN = Case("nano", "fp16", "tensorrt", "cuda", "none", static=True)


def test_nothing_stands_in_the_way_of_what_works(machine) -> None:
    machine()
    assert obstacle(PLAN) is None
    assert obstacle(Case("nano", "fp32", "pytorch", "cpu")) is None
    assert obstacle(Case("nano", "fp32", "onnxruntime", "cpu")) is None
    assert obstacle(Case("nano", "fp16", "rtx", "cpu", "none")) is None


@pytest.mark.parametrize(
    ("case", "missing", "found"),
    [
        (PLAN, "tensorrt", "TensorRT is not installed: pip install 'tensorrt-cu13"),
        (PLAN, "torch", "torch is not installed: pip install"),
        (
            Case("nano", "fp16", "onnxruntime", "cpu"),
            "onnxruntime",
            "onnxruntime is not installed: pip install",
        ),
    ],
)
def test_what_is_not_installed_comes_with_its_command(machine, case: Case, missing: str, found: str) -> None:
    machine(missing)
    assert str(obstacle(case)).startswith(found)


def test_either_package_brings_rtx(machine) -> None:
    case = Case("nano", "fp16", "rtx", "cpu", "none")
    machine("tensorrt_rtx")
    assert obstacle(case) is None
    machine("tensorrt_rtx", "tensorrt_rtx_bindings")
    assert str(obstacle(case)).startswith("TensorRT-RTX is not installed: pip install")


def test_says_what_a_probe_said(machine) -> None:
    machine(TensorRT={"TensorRT": "no driver"}, ONNX_Runtime={"ONNX Runtime": "no answer within 120 s"})
    assert obstacle(PLAN) == "no driver"
    assert obstacle(Case("nano", "fp32", "pytorch", "cuda")) == "no CUDA device was found"
    assert obstacle(Case("nano", "fp32", "onnxruntime", "cuda")) == "no answer within 120 s"


def test_says_which_provider_a_build_lacks(machine) -> None:
    machine()
    found = obstacle(Case("nano", "fp32", "onnxruntime", "cuda"))
    assert found == "this build holds no CUDAExecutionProvider"


def test_the_ahead_of_time_plugin_is_not_tried_with_dynamic_shapes(machine) -> None:
    machine()
    assert "static shapes only" in str(obstacle(Case("nano", "fp16", "tensorrt", "cuda", "aot")))
    assert obstacle(Case("nano", "fp16", "tensorrt", "cuda", "aot", static=True)) is None


@pytest.mark.parametrize(
    ("code", "printed", "errors", "found"),
    [
        (0, "compiled  nothing yet\nnvcc      13.0.88", "", None),
        (1, "compiled  /cache/lib.so\nnvcc      MISSING: no nvcc: install it", "", None),
        (
            1,
            "compiled  nothing yet\nnvcc      MISSING: no nvcc: install it\nheaders   MISSING: no headers",
            "",
            "the C++ plugin cannot be compiled: no nvcc: install it; no headers",
        ),
        (1, "compiled  nothing yet\nPTX       MISSING: NumPy is too new\nnvcc      13.0.88", "", None),
        (1, "", "error: no\ncache", "the C++ plugin cannot be compiled: error: no cache"),
    ],
)
def test_the_cpp_plugin_needs_a_compiler_unless_it_is_compiled(
    machine, monkeypatch, code: int, printed: str, errors: str, found: str | None
) -> None:
    machine()
    shown = subprocess.CompletedProcess([], code, printed, errors)
    monkeypatch.setattr(obstacles, "_plugin_show", lambda: shown)
    assert obstacle(Case("nano", "fp16", "tensorrt", "cuda", "cpp")) == found
    assert obstacle(PLAN) is None, "other plugins do not"


@pytest.mark.parametrize(
    ("code", "printed", "errors", "found"),
    [
        (0, "PTX       up to date", "", None),
        (1, "PTX       up to date\nnvcc      MISSING: no nvcc: install it", "", None),
        (1, "PTX       MISSING: NumPy is too new\nnvcc      13.0.88", "", "NumPy is too new"),
        (1, "", "error: no\ncache", "error: no cache"),
    ],
)
def test_the_ahead_of_time_plugin_needs_a_tensorrt_that_takes_it(
    machine, monkeypatch, code: int, printed: str, errors: str, found: str | None
) -> None:
    machine()
    shown = subprocess.CompletedProcess([], code, printed, errors)
    monkeypatch.setattr(obstacles, "_plugin_show", lambda: shown)
    assert obstacle(Case("nano", "fp16", "tensorrt", "cuda", "aot", static=True)) == found


def test_the_command_that_shows_the_plugin_is_there() -> None:
    shown = obstacles._plugin_show()
    assert "compiled" in shown.stdout
    assert "PTX" in shown.stdout
