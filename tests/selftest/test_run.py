import json
import shutil
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from dinoflow_deploy.bench.engine_process import EngineSource
from dinoflow_deploy.bench.results import Failure
from dinoflow_deploy.bench.speed import SpeedRun
from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.bundles.manifest import FileInfo, Manifest
from dinoflow_deploy.bundles.parity import Parity
from dinoflow_deploy.errors import EngineError, ExportError, ModelError
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.progress import NoProgress
from dinoflow_deploy.selftest import SelfTestOptions, run, run_selftest
from dinoflow_deploy.selftest.compare import compare
from dinoflow_deploy.selftest.export_command import ExportCommand
from dinoflow_deploy.selftest.tables import markdown, summary
from tests.engines.tensorrt.conftest import plan_info
from tests.forked import forked_workers

pytestmark = pytest.mark.slow

NANO = builtin_models()["nano"]


def options(*backends: str, **changed) -> SelfTestOptions:
    return SelfTestOptions(models=("nano",), backends=backends, size=(64, 96), seconds=0.01, **changed)


def test_an_export_is_run_compared_and_measured(machine, exports) -> None:
    machine()
    saved = []
    result = run_selftest(options("onnxruntime"), NoProgress(), save=saved.append)
    assert result.counts == {"passed": 2, "failed": 0, "skipped": 2}
    assert not result.partial
    assert [len(each.results) for each in saved] == [1, 2, 3, 4]
    assert all(each.partial for each in saved)
    first = result.results[0]
    assert first.parity is not None
    assert first.parity.max_px < 1e-3, "the bundle's own"
    assert first.model_bytes == (NANO.bundle / "model.onnx").stat().st_size
    (speed,) = first.speed
    assert (speed.height, speed.width) == (64, 96)
    assert speed.pairs_per_second > 0
    assert len(exports) == 2, "one for each precision"


def test_the_reference_is_measured_and_compared_with_nothing(machine) -> None:
    machine()
    with forked_workers():
        result = run_selftest(options("pytorch"), NoProgress())
    reference = result.results[0]
    assert (reference.outcome, reference.parity, len(reference.speed)) == ("passed", None, 1)
    assert result.counts["skipped"] == 3


def test_one_failure_is_that_cases_alone(machine, exports, monkeypatch) -> None:
    machine()
    real, calls = run.measure_speed, []

    def failing(*arguments, **settings):
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("a defect\nof a library")
        return real(*arguments, **settings)

    monkeypatch.setattr(run, "measure_speed", failing)
    first, second, *_ = run_selftest(options("onnxruntime"), NoProgress()).results
    assert (first.outcome, first.reason) == ("failed", "unexpected ValueError: a defect of a library")
    assert first.command.startswith("dinoflow-deploy export --model nano")
    assert first.parity is not None, "what was found before stays"
    assert second.outcome == "passed"


def test_a_graph_that_fails_leaves_the_plain_engine_s_speed(machine, plans, monkeypatch) -> None:
    machine()
    plans(PARITY)
    monkeypatch.setattr(run, "compare", lambda *_: PARITY)

    def one_fails(sources, *_, **__):
        plain, *graph = sources
        failures = tuple(Failure(label, "speed", "CUDA error 901") for label in graph)
        yield SpeedRun((plain,), failures)

    monkeypatch.setattr(run, "measure_speed", one_fails)
    found = {each.case.static: each for each in run_selftest(options("tensorrt"), NoProgress()).results}
    assert (found[False].outcome, found[True].outcome) == ("passed", "failed")
    assert found[True].reason == "with a CUDA graph: CUDA error 901"
    assert found[True].speed == (found[True].case.label,)


def test_a_library_that_breaks_while_it_is_looked_for_fails_its_cases_alone(machine, monkeypatch) -> None:
    machine()

    def broken(case):
        if case.device == "cuda":
            raise OSError("libcuda.so.1: invalid ELF header")

    monkeypatch.setattr(run, "obstacle", broken)
    with forked_workers():
        cpu, *cuda = run_selftest(options("pytorch"), NoProgress()).results
    assert cpu.outcome == "passed"
    assert {each.reason for each in cuda} == {"libcuda.so.1: invalid ELF header"}


@pytest.fixture
def plans(exports, monkeypatch):
    """Give each exported bundle a plan that was compared, or was not."""
    real = ExportCommand.run

    def make(parity: Parity | None) -> None:
        def run_and_plan(command: ExportCommand, weights: Path, folder: Path) -> float:
            seconds = real(command, weights, folder)
            (folder / "tensorrt.plan").write_bytes(b"a plan")
            manifest = Manifest.read(folder / "manifest.json")
            files = manifest.files | {"tensorrt.plan": FileInfo.of(folder / "tensorrt.plan")}
            artefacts = (*manifest.artefacts, plan_info(parity=parity).artefact())
            manifest = replace(manifest, files=files, artefacts=artefacts)
            (folder / "manifest.json").write_text(manifest.to_json())
            return seconds

        monkeypatch.setattr(ExportCommand, "run", run_and_plan)

    return make


PARITY = Parity("pytorch fp32 on cpu", "tensorrt", 1, 1.0, 0.01, 0.02, 0.03)


@pytest.mark.parametrize("known", [PARITY, None])
def test_a_plan_and_its_cuda_graph_are_both_compared(machine, plans, monkeypatch, known) -> None:
    """A plan by its export, or here where that did not; a graph that replays another flow is a failure."""
    machine()
    plans(known)
    compared = []

    def compare_all_but_graphs(source: EngineSource, precision: str, weights: Path) -> Parity:
        compared.append(source.options)
        if source.options:
            raise EngineError("the flow of TensorRT, CUDA graph is not that of PyTorch")
        return PARITY

    monkeypatch.setattr(run, "compare", compare_all_but_graphs)
    monkeypatch.setattr(run, "measure_speed", lambda *_, **__: ())
    result = run_selftest(options("tensorrt"), NoProgress())
    outcomes = {each.case.static: each.outcome for each in result.results if each.outcome != "skipped"}
    assert outcomes == {False: "passed", True: "failed"}
    assert {each.parity for each in result.results if each.outcome != "skipped"} == {PARITY}
    graphs = sum(each.case.static for each in result.results)
    assert compared.count({"cuda_graph": True}) == graphs == 6
    assert compared.count({}) == (0 if known else 11)


def test_what_the_export_found_on_the_cpu_says_nothing_of_cuda(machine, exports, monkeypatch) -> None:
    machine(ONNX_Runtime={"CPUExecutionProvider": None, "CUDAExecutionProvider": None})

    def refuse(source: EngineSource, *_) -> Parity:
        raise EngineError(f"another flow on {source.device}")

    monkeypatch.setattr(run, "compare", refuse)
    monkeypatch.setattr(run, "measure_speed", lambda *_, **__: ())
    result = run_selftest(options("onnxruntime"), NoProgress())
    reasons = {each.case.device: (each.outcome, each.reason) for each in result.results}
    assert reasons == {"cpu": ("passed", ""), "cuda": ("failed", "another flow on cuda")}


def test_a_failed_export_says_why(machine, monkeypatch) -> None:
    machine()

    def refuse(*_):
        raise ExportError("no kernel\nfor GridSample")

    monkeypatch.setattr(ExportCommand, "run", refuse)
    result = run_selftest(options("tensorrt"), NoProgress())
    reasons = {each.reason for each in result.results if each.outcome == "failed"}
    assert reasons == {"no kernel for GridSample"}
    assert "**failed**\n\n- nano-fp32-tensorrt-cuda-none-dynamic, nano-fp16" in markdown(result)


def test_ctrl_c_keeps_what_is_done(machine, exports, monkeypatch) -> None:
    machine()
    real = ExportCommand.run

    def interrupted(command, weights, folder):
        if "fp16" in command.arguments:
            raise KeyboardInterrupt
        return real(command, weights, folder)

    monkeypatch.setattr(ExportCommand, "run", interrupted)
    result = run_selftest(options("onnxruntime"), NoProgress())
    assert result.partial
    assert [each.case.precision for each in result.results] == ["fp32"]
    assert summary(result) == "interrupted: 1 passed, 0 failed, 0 skipped"


def test_a_stop_begins_no_further_case(machine) -> None:
    machine()
    stop = Event()
    stop.set()
    result = run_selftest(options("pytorch"), NoProgress(), stop=stop)
    assert (result.partial, result.results) == (True, ())


def test_weights_that_are_not_there_are_a_reason_to_skip(machine, monkeypatch) -> None:
    machine()

    def refuse(self):
        raise ModelError("the hub refuses it")

    monkeypatch.setattr("dinoflow_deploy.export.ModelSource.load", refuse)
    only = SelfTestOptions(models=("vits16",), backends=("onnxruntime",))
    (reason,) = {each.reason for each in run_selftest(only, NoProgress()).results[:2]}
    assert reason == "its weights are not there: the hub refuses it"


def test_written_as_json_and_as_a_table(machine, exports) -> None:
    machine()
    result = run_selftest(options("onnxruntime"), NoProgress())
    written = json.loads(result.to_json())
    assert written["settings"]["backends"] == ["onnxruntime"]
    assert written["environment"]["machine"]["cores"] >= 1
    assert [each["outcome"] for each in written["results"]] == ["passed", "passed", "skipped", "skipped"]
    text = markdown(result)
    assert "| nano-fp32-onnxruntime-cpu-dynamic |  passed | 4.7 |" in text
    skipped = "nano-fp32-onnxruntime-cuda-dynamic, nano-fp16-onnxruntime-cuda-dynamic"
    assert f"- {skipped}: this build holds no CUDAExecutionProvider" in text
    # A slow machine's milliseconds are no power of ten.
    first = result.results[0]
    slow = replace(first.speed[0], total=replace(first.speed[0].total, p50=4912.3, p99=5000.0))
    text = markdown(replace(result, results=(replace(first, speed=(slow,)),)))
    assert "|   4912 |   5000 |" in text


def test_compares_an_engine_with_pytorch(tmp_path) -> None:
    # At the sizes of its inputs, which here are small.
    shutil.copytree(NANO.bundle, tmp_path / "bundle")
    manifest = Manifest.read(NANO.bundle / "manifest.json")
    inputs = InputRange(AxisRange(1, 1, 2), AxisRange(64, 64, 128), AxisRange(64, 96, 128))
    manifest = replace(manifest, artefacts=(replace(manifest.onnx, inputs=inputs).artefact(),))
    (tmp_path / "bundle/manifest.json").write_text(manifest.to_json())
    source = EngineSource(str(tmp_path / "bundle"), "onnxruntime", "cpu", {})
    parity = compare(source, "fp32", NANO.weights)
    assert isinstance(parity, Parity)
    assert 0 < parity.max_px < 1e-3
    assert parity.reference == "pytorch fp32 on cpu"


def test_a_comparison_that_fails_says_why(tmp_path) -> None:
    with pytest.raises(EngineError, match="there is no file, folder or built-in model"):
        compare(EngineSource(str(tmp_path / "absent"), "onnxruntime", "cpu", {}), "fp32", NANO.weights)


def test_the_engine_is_compared_with_its_options() -> None:
    source = EngineSource(str(NANO.bundle), "onnxruntime", "cpu", {"cuda_graph": True})
    with pytest.raises(EngineError, match="has no option 'cuda_graph'"):
        compare(source, "fp32", NANO.weights)
