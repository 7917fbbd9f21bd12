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


def test_a_package_needs_a_compiler_and_the_device(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine()
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no-such-compiler was not found" in str(obstacle(Case("nano", "fp32", "inductor", "cpu")))
    monkeypatch.delenv("CXX")
    assert obstacle(Case("nano", "fp32", "inductor", "cpu")) is None
    assert obstacle(Case("nano", "fp32", "inductor", "cuda")) == "no CUDA device was found"


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


def found(compiled: bool = False, **problems: str) -> tuple[dict, None]:
    """What there is of the plugin, with problems by what is needed."""
    names = ("PTX", "tensorrt", "headers", "nvcc", "g++")
    needs = [{"name": name, "found": "here", "problem": problems.get(name, "")} for name in names]
    return {"libraries": ["/cache/lib.so"] if compiled else [], "needs": needs}, None


NO_ANSWER = ({"libraries": [], "needs": []}, "the process ended with code -11: no cache")


@pytest.mark.parametrize(
    ("plugin", "due"),
    [
        (found(), None),
        (found(compiled=True, nvcc="no nvcc: install it"), None),
        (
            found(nvcc="no nvcc: install it", headers="no headers"),
            "the C++ plugin cannot be compiled: no headers; no nvcc: install it",
        ),
        (found(PTX="NumPy is too new"), None),
        (NO_ANSWER, "the C++ plugin cannot be compiled: the process ended with code -11: no cache"),
    ],
)
def test_the_cpp_plugin_needs_a_compiler_unless_it_is_compiled(machine, plugin, due: str | None) -> None:
    machine(plugin=plugin)
    assert obstacle(Case("nano", "fp16", "tensorrt", "cuda", "cpp")) == due
    assert obstacle(PLAN) is None, "other plugins do not"


@pytest.mark.parametrize(
    ("plugin", "due"),
    [
        (found(), None),
        (found(nvcc="no nvcc: install it"), None),
        (found(PTX="NumPy is too new"), "NumPy is too new"),
        (NO_ANSWER, "the process ended with code -11: no cache"),
    ],
)
def test_the_ahead_of_time_plugin_needs_a_tensorrt_that_takes_it(machine, plugin, due: str | None) -> None:
    machine(plugin=plugin)
    assert obstacle(Case("nano", "fp16", "tensorrt", "cuda", "aot", static=True)) == due


def test_another_process_says_what_there_is_of_the_plugin() -> None:
    status, problem = obstacles._plugin_status()
    assert problem is None
    assert [need["name"] for need in status["needs"]] == ["PTX", "tensorrt", "headers", "nvcc", "g++"]
    assert all(bool(need["found"]) != bool(need["problem"]) for need in status["needs"])
