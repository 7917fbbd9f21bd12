"""Each benchmark runs, and its record is what was measured; the settings are tiny."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import onnx
import pytest
import torch

from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.models.registry import MODELS
from tests.forked import forked_workers
from tests.small_bundles import difference_model

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


def run(script: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPTS / f"{script}.py", *arguments, "--output", folder / "record.json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@contextmanager
def of_its_own() -> Iterator[None]:
    """Within, this process is a script's: what scripts change in it is as before at the end."""
    threads, of_opencv, heard = torch.get_num_threads(), cv2.getNumThreads(), signal.getsignal(signal.SIGTERM)
    torch.set_num_threads(1)
    try:
        with patch.dict(os.environ), forked_workers():
            yield
    finally:
        signal.signal(signal.SIGTERM, heard)
        torch.set_num_threads(threads)
        cv2.setNumThreads(of_opencv)


@pytest.fixture
def run_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """The same in this process, which has imported what most scripts need."""

    def run(script: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [f"{script}.py", *arguments, "--output", str(folder / "record.json")]
        monkeypatch.setattr(sys, "argv", command)
        code: Any = 0
        try:
            import_module(script).main()
        except SystemExit as end:
            code = end.code
        printed, errors = capsys.readouterr()
        # As Python itself does at its end.
        if isinstance(code, str):
            code, errors = 1, f"{errors}{code}\n"
        return subprocess.CompletedProcess(command, code, printed, errors)

    with of_its_own():
        yield run


def record_of(
    script: str,
    folder: Path,
    *arguments: str,
    run: Callable[..., subprocess.CompletedProcess[str]] = run,
) -> dict[str, Any]:
    done = run(script, folder, *arguments)
    assert done.returncode == 0, done.stderr
    record: dict[str, Any] = json.loads((folder / "record.json").read_text())
    assert record["machine"]["cores"] >= 1
    assert record["versions"]["onnxruntime"]
    return record


@pytest.fixture
def still_model(tmp_path: Path) -> str:
    """An ONNX file that says that nothing moves."""
    model = difference_model()
    (scale,) = (value for value in model.graph.initializer if value.name == "scale")
    scale.CopyFrom(onnx.numpy_helper.from_array(np.array(0, np.float32), "scale"))
    onnx.save(model, tmp_path / "still.onnx")
    return str(tmp_path / "still.onnx")


def test_accuracy(tmp_path: Path, still_model: str, run_here) -> None:
    record = record_of(
        "accuracy", tmp_path, "--model", still_model, "--pairs", "1", "--seed", "51", run=run_here
    )
    results = record["results"]
    moving = ["synthetic 256x256", "synthetic 384x512", "real pair motorcycle"]
    moving += ["shifted by (2, 0)", "shifted by (5, 3)"]
    still = ["identical photographs", "noise of 5 levels", "static camera vtest"]
    assert set(moving) <= results.keys() <= {*moving, *still}
    for name, scores in results.items():
        assert scores["still"]["every"] == scores["zero flow"]["every"]
        if name in moving:
            assert scores["DIS medium"]["every"]["epe"] < 0.9 * scores["zero flow"]["every"]["epe"]
        else:
            assert scores["zero flow"]["every"]["epe"] == 0

    samples = list(SyntheticScenes(SceneConfig(256, 256, max_motion=32), 51, 1))
    lengths = np.stack([np.hypot(*np.moveaxis(sample.flow.astype(float), -1, 0)) for sample in samples])
    visible = ~np.stack([sample.occluded for sample in samples])
    zero = results["synthetic 256x256"]["zero flow"]
    assert zero["every"]["epe"] == pytest.approx(lengths.mean(), rel=1e-6)
    assert zero["visible"]["epe"] == pytest.approx(lengths[visible].mean(), rel=1e-6)
    # The known end-point error of no motion on this pair: the mean disparity of its ground truth.
    assert results["real pair motorcycle"]["zero flow"]["every"]["epe"] == pytest.approx(34.34, abs=0.01)


def test_a_method_that_fails_leaves_the_others(tmp_path: Path, run_here) -> None:
    """A file of one shape takes none of the frames."""
    onnx.save(difference_model(shape=(1, 3, 64, 64)), tmp_path / "fixed.onnx")
    done = run_here(
        "accuracy", tmp_path, "--model", str(tmp_path / "fixed.onnx"), "--pairs", "1", "--seed", "51"
    )
    assert done.returncode == 1
    results = json.loads((tmp_path / "record.json").read_text())["results"]
    first = "fixed on synthetic 256x256: frames of 256x256"
    assert f"error: {len(results)} failed, the first: {first}" in done.stderr
    for scores in results.values():
        assert "too large for this engine" in scores["fixed"]["failed"]
        assert scores["DIS medium"]["pairs"] >= 1
    assert re.search(r"\| fixed +\| +- \|.*failed: ", done.stdout)


def test_accuracy_refuses_seeds_of_the_training(tmp_path: Path, still_model: str, run_here) -> None:
    done = run_here("accuracy", tmp_path, "--model", still_model, "--seed", "1000")
    assert done.returncode == 1
    assert "is not held out" in done.stderr
    assert not (tmp_path / "record.json").exists()


def test_startup(tmp_path: Path, still_model: str) -> None:
    record = record_of("startup", tmp_path, "--model", still_model, "--size", "64x96", "--repeats", "1")
    seconds = {what: values["median"] for what, values in record["seconds"].items()}
    assert min(seconds.values()) > 0
    assert seconds["video to its first flow"] < seconds["the end of video, two frames"]
    assert "openvino" not in record["import_ms"]["--help"]
    assert "openvino" in record["import_ms"]["video"]


def test_engine_speed(tmp_path: Path, run_here) -> None:
    tiny = ["--sizes", "64x64", "--rounds", "2", "--seconds", "0", "--threads", "1"]
    tiny += ["--profile", "--profile-calls", "1"]
    record = record_of("engine_speed", tmp_path, "--models", "nano", *tiny, run=run_here)
    pytorch, *others = record["results"]
    assert [found["backend"] for found in (pytorch, *others)] == ["pytorch", "onnxruntime", "openvino"]
    assert pytorch["ratio"] == {"median": 1, "min": 1, "max": 1}
    for result in record["results"]:
        assert result["calls"] == 2
        assert result["peak_memory_bytes"] > 30 * 2**20
        assert min(result["first_flow_seconds"]) > 0
    profiles = {profile["backend"]: profile for profile in record["profiles"]}
    for profile in profiles.values():
        assert {"backbone", "upsample_2"} <= profile["parts"].keys()
        assert sum(profile["operators"].values()) > 0
    # Only what is of the same calls can be compared: another call may be kept waiting by other processes.
    pytorch, onnxruntime = profiles["pytorch"], profiles["onnxruntime"]
    assert sum(pytorch["parts"].values()) == pytest.approx(pytorch["milliseconds"], abs=0.1)
    assert sum(onnxruntime["operators"].values()) <= onnxruntime["milliseconds"] + 0.1


def test_the_limit_of_the_video_pipeline(tmp_path: Path, run_here) -> None:
    tiny = ["--size", "64x96", "--frames", "4", "--rounds", "1"]
    record = record_of("video_throughput", tmp_path, *tiny, "--limit-alone", run=run_here)
    assert "engine" not in record
    assert list(record["limit"]) == ["flow", "side-by-side"]
    for found in record["limit"].values():
        assert found["pairs_per_second"]["median"] > 0
        stages = found["stage_ms_per_pair"]
        assert min(stages[name] for name in ("decode", "engine", "render", "encode")) > 0
        assert found["cpu_ms_per_pair"]["median"] > 0


def test_sampling_forms(tmp_path: Path, frames, monkeypatch: pytest.MonkeyPatch, run_here) -> None:
    module = import_module("sampling_forms")
    bundles = module.export_forms("nano", tmp_path)
    modes = {
        form: {
            onnx.helper.get_node_attr_value(node, "padding_mode")
            for node in onnx.load(bundle / "model.onnx").graph.node
            if node.op_type == "GridSample"
        }
        for form, bundle in bundles.items()
    }
    assert modes == {"border": {b"border"}, "zeros": {b"zeros"}}
    flows = [load_engine(bundle, "onnxruntime", "cpu")(*frames(2, 64, 96)) for bundle in bundles.values()]
    assert np.abs(flows[0]).max() > 1
    np.testing.assert_allclose(*flows, atol=1e-3)

    monkeypatch.setattr(module, "export_forms", lambda *_: bundles)
    monkeypatch.setattr(module, "BACKENDS", ("onnxruntime",))
    # Put back what the script puts into the environment.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tiny = ["--cases", "nano=64x64", "--rounds", "1", "--seconds", "0", "--threads", "1"]
    first, second = record_of("sampling_forms", tmp_path, *tiny, run=run_here)["results"]
    assert (first["backend"], second["backend"]) == ("onnxruntime border", "onnxruntime zeros")
    assert first["ratio_to"] == second["ratio_to"] == "onnxruntime border"
    assert first["ratio"]["median"] == 1


def test_pair_memory(tmp_path: Path) -> None:
    tiny = ["--models", "nano", "--backends", "onnxruntime", "--sizes", "256x256", "--batches", "2"]
    (found,) = record_of("pair_memory", tmp_path, *tiny)["results"]
    assert (found["backend"], found["size"], found["batch"]) == ("onnxruntime", [256, 256], 2)
    assert found["peak_bytes"] > found["growth_bytes"] + 30 * 2**20
    rule = MODELS["nano"].memory["onnxruntime"]
    assert found["growth_bytes"] == pytest.approx(rule.bytes_for(256, 256, batch=2), rel=0.25)


def test_scene_rate(tmp_path: Path, run_here) -> None:
    record = record_of(
        "scene_rate", tmp_path, "--sizes", "128x128", "--pairs", "1", "--batch", "1", run=run_here
    )
    numpy, by_torch = record["results"]
    assert [result["renderer"] for result in (numpy, by_torch)] == ["numpy", "torch cpu"]
    assert all(result["pairs_per_second"]["median"] > 0 for result in (numpy, by_torch))
    # At least two frames of three bytes are written, and a flow.
    assert by_torch["megabytes_per_pair"] > 128**2 * (2 * 3 + 2 * 4) / 1e6
    assert by_torch["operations"] > 100


def test_input_forms(tmp_path: Path, run_here) -> None:
    record = record_of("input_forms", tmp_path, "--size", "64x80", "--calls", "1", run=run_here)
    found = {(each["backend"], each["input"]): each for each in record["results"]}
    assert found.keys() == {(b, f) for b in ("onnxruntime", "openvino") for f in ("images", "frames")}
    assert all(each["stages"]["infer"]["median"] > 0 for each in found.values())
    assert found["onnxruntime", "images"]["ratio"]["median"] == 1


def test_triton_transport(tmp_path: Path, run_here) -> None:
    from tests.engines.triton.fake_server import FakeServer

    server = FakeServer()
    try:
        arguments = (server.url, "--size", "64x80", "96x64", "--calls", "2")
        record = record_of("triton_transport", tmp_path, *arguments, run=run_here)
    finally:
        server.stop()
    found = {(each["size"], each["way"]): each for each in record["results"]}
    assert found.keys() == {(s, w) for s in ("64x80", "96x64") for w in ("gRPC", "shared memory")}
    for (_, way), each in found.items():
        assert each["provider"].endswith(way)
        assert each["milliseconds"]["median"] > 0
    assert found["96x64", "gRPC"]["ratio"]["median"] == 1


def test_loader_rate(tmp_path: Path, run_here) -> None:
    record = record_of("loader_rate", tmp_path, "--pairs", "2", "--repeats", "1", run=run_here)
    chairs, things = record["results"].values()
    assert (chairs["frame"], things["frame"]) == ([384, 512], [540, 960])
    # Of the draws, whose log scale is even from -0.1 to 1, those below 520 / 384.
    assert chairs["clipped"]["common"] == pytest.approx((np.log2(520 / 384) + 0.1) / 1.1, abs=0.02)
    for result in (chairs, things):
        assert result["milliseconds"]["whole"] > result["milliseconds"]["frames"] > 0
    demand = record["demand"]
    assert 0 < demand["cores_for_4_gpus"] < demand["cores_for_4_fastest_gpus"]
    # Forward and backward of a decoder of 0.92 TFLOP, and 12 blocks of 1029 tokens, with attention, a frame.
    backbone = 12 * (24 * 1029 * 384**2 + 4 * 1029**2 * 384)
    assert demand["operations_per_pair"] == pytest.approx(3 * 0.92e12 + 2 * backbone, rel=0.01)


def test_batch_norm(tmp_path: Path, run_here) -> None:
    record = record_of(
        "batch_norm", tmp_path, "--steps", "1", "--seeds", "1", "--pairs", "1", "--workers", "0", run=run_here
    )
    assert list(record["epe"]) == ["8 pairs", "4 pairs", "2 pairs", "1 pair", "frozen"]
    assert all(0 < epe < 50 for found in record["epe"].values() for epe in found)


def test_work_by_part(tmp_path: Path, run_here) -> None:
    record = record_of("work_by_part", tmp_path, "--sizes", "256x320", run=run_here)
    (found,) = record["work"]
    parts = found["parts"]
    pixels = 256 * 320
    # A 3x3 convolution of 256 channels to 256: nine multiplications and additions for each pair of channels.
    operations = {"convolution, full": 1, "refinement convolution, full": 1, "convolution, 1/2": 1 / 4}
    for name, share in operations.items():
        assert parts[name]["operations"] == 2 * 9 * 256 * 256 * pixels * share
    weights = 2 * 9 * 256 * 256
    # Two bytes a value, in and out; the norm has four vectors, of which two are weights.
    assert parts["convolution, full"]["bytes"] == 2 * 2 * 256 * pixels + weights + 2 * 2 * 256
    sampling = parts["sampling, full"]
    assert sampling["operations"] == 2 * 2 * 32 * 256 * pixels / 4
    assert sampling["bytes"] == pytest.approx(2 * 256 * pixels * 5 / 4, rel=0.01)
    # Memory binds the sampling, arithmetic the convolutions, at the default rates.
    assert sampling["least_microseconds"] == pytest.approx(sampling["bytes"] / 4.8e6, abs=0.1)
    full = parts["convolution, full"]
    assert full["least_microseconds"] == pytest.approx(full["operations"] / 989e6, abs=0.1)
    # 12 blocks of two frames' 320 + 5 tokens: projections, MLP, attention's two products.
    tokens, width = 2 * (16 * 20 + 5), 384
    block = 2 * tokens * 12 * width**2 + 2 * 2 * tokens * 325 * width
    assert parts["transformer blocks"]["operations"] == 12 * block


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
@pytest.mark.parametrize("script", ["correlation_kernel", "gpu_speed"])
def test_without_a_gpu_says_so(tmp_path: Path, script: str, run_here) -> None:
    done = run_here(script, tmp_path)
    assert done.returncode == 1
    assert "finds no CUDA device" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch without CUDA")
def test_correlation_kernel(tmp_path: Path) -> None:
    record = record_of("correlation_kernel", tmp_path, "--rounds", "2")
    assert all(entry["of_allowed"] <= 1 for entry in record["numbers"])
    assert len(record["times"]) == 9


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch without CUDA")
def test_gpu_speed(tmp_path: Path) -> None:
    variants = ["eager-bf16", "channels-last-bf16", "onnxruntime-graph-fp16"]
    tiny = ["--model", "nano", "--sizes", "64x80", "--rounds", "2", "--seconds", "0"]
    record = record_of("gpu_speed", tmp_path, *tiny, "--variants", *variants)
    results = {found["variant"]: found for found in record["results"]}
    assert results["eager-bf16"]["memory_bytes"] > 0
    assert results["eager-bf16"]["kernels"]
    assert all(ms > 0 for ms in record["parts"][0]["ms"].values())
