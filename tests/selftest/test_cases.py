from collections import Counter

import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.selftest.cases import Case, SelfTestOptions, all_cases


def test_tries_every_plugin_precision_and_kind_of_shape_of_tensorrt() -> None:
    cases = [case for case in all_cases(SelfTestOptions()) if case.backend == "tensorrt"]
    counted = Counter((case.model, case.precision) for case in cases)
    assert counted == {
        (model, precision): count
        for model in ("nano", "vits16")
        for precision, count in (("fp32", 1), ("fp16", 6), ("bf16", 6))
    }
    rounded = {(case.plugin, case.static) for case in cases if case.precision == "bf16"}
    assert rounded == {(plugin, static) for plugin in ("cpp", "aot", "none") for static in (True, False)}


def test_packages_are_tried_on_the_cpu_once_and_on_a_gpu_in_full() -> None:
    cases = all_cases(SelfTestOptions(models=("nano",), backends=("inductor",)))
    on_cpu, *on_gpu = (case.label for case in cases)
    assert on_cpu == "nano-fp32-inductor-cpu-static"
    assert on_gpu == [
        f"nano-{precision}-inductor-cuda-{shapes}"
        for precision in ("fp32", "fp16", "bf16")
        for shapes in ("static", "dynamic")
    ]


def test_labels_tell_cases_apart() -> None:
    cases = all_cases(SelfTestOptions())
    labels = [case.label for case in cases]
    assert len(set(labels)) == len(labels)
    assert "vits16-fp16-tensorrt-cuda-cpp-static" in labels
    assert Case("nano", "fp32", "pytorch", "cpu").label == "nano-fp32-pytorch-cpu"


def test_keeps_to_what_was_asked_for() -> None:
    cases = all_cases(SelfTestOptions(models=("nano",), backends=("onnxruntime",)))
    assert {(case.model, case.backend) for case in cases} == {("nano", "onnxruntime")}
    assert {(case.device, case.precision) for case in cases} == {
        (device, precision) for device in ("cpu", "cuda") for precision in ("fp32", "fp16")
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"models": ("raft",)}, r"the model 'raft' is not part of the self-test: nano, vits16"),
        ({"backends": ("tflite",)}, r"the backend 'tflite' is not part"),
        ({"backends": ()}, r"give at least one backend"),
        ({"size": (100, 64)}, r"100x64 is refused: sides are multiples of 16 from 64 to 2048"),
        ({"size": (64, 2064)}, r"64x2064 is refused"),
        ({"seconds": float("inf")}, "seconds is inf"),
        ({"size": (48, 64)}, r"48x64 is refused"),
        ({"seconds": float("nan")}, r"must be above 0"),
    ],
)
def test_refuses_what_it_does_not_know(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SelfTestOptions(**settings)
