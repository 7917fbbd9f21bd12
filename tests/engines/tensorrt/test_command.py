"""``bench`` and ``video`` through a plan, by ``--backend tensorrt`` alone; on the model."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dinoflow_deploy.bench.benchmark import BenchOptions, run_benchmark
from dinoflow_deploy.cli.app import app
from dinoflow_deploy.datasets.scenes.synthetic_tree import write_synthetic_tree
from dinoflow_deploy.progress import NoProgress
from tests.engines.tensorrt.conftest import STATIC, WritePlan
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT
from tests.video.clips import write_clip


def test_accuracy_through_a_plan_equals_that_through_onnx_runtime(
    trt: TensorRT, write_planned: WritePlan, tmp_path: Path
) -> None:
    write_synthetic_tree("sintel", tmp_path / "tree", pairs=3, size=(64, 96), seed=1)
    folder = write_planned()
    options = BenchOptions(
        models=(str(folder),),
        backends=("onnxruntime", "tensorrt"),
        datasets={"sintel-clean": str(tmp_path / "tree")},
        speed=False,
    )
    result = run_benchmark(options, NoProgress())
    (dataset,) = result.datasets
    first, second = (each.accuracy.everything for each in dataset.engines)
    assert first.pixels == second.pixels > 0
    assert float(first.epe) == pytest.approx(float(second.epe), rel=1e-5)
    assert result.engines["bundle tensorrt"]["source"] == str(folder / "tensorrt.plan")
    assert result.engines["bundle tensorrt"]["sha256"] != result.engines["bundle onnxruntime"]["sha256"]


def test_bench_refuses_a_graph_of_a_backend_without(trt: TensorRT) -> None:
    arguments = ["bench", "--backend", "onnxruntime", "--cuda-graph", "--size", "64x64", "--device", "cpu"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "'onnxruntime' has no option 'cuda_graph'" in done.stderr
    options = BenchOptions(
        models=("nano",), backends=("tensorrt", "pytorch"), engine_options={"cuda_graph": True}
    )
    assert {source.options["cuda_graph"] for source in options.sources().values()} == {True}
    assert BenchOptions(models=("nano",)).sources()["nano"].options == {}


def test_video_through_a_plan_with_a_graph(
    trt: TensorRT, machine: Machine, write_plan: WritePlan, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=5, size=(128, 96))
    arguments = ["video", clip, tmp_path / "flow.mp4", "--model", write_plan(STATIC), "--backend", "tensorrt"]
    arguments += ["--cuda-graph", "--save-flow", tmp_path / "flow", "--flow-format", "npy"]
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    assert "tensorrt on cuda (TensorRT 11.4.0.106, CUDA graph)" in done.stderr
    assert machine.captures >= 1
    assert machine.launches >= 1
    # The next command computes the same way.
    assert "--backend tensorrt --cuda-graph" in done.stdout
    assert all(np.isfinite(np.load(path)).all() for path in (tmp_path / "flow").iterdir())


def test_video_says_that_another_backend_has_no_graph(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=3, size=(64, 64))
    arguments = ["video", str(clip), str(tmp_path / "flow.mp4"), "--cuda-graph", "--device", "cpu"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "has no option 'cuda_graph'" in done.stderr
    assert "tensorrt, inductor take 'cuda_graph'" in done.stderr
