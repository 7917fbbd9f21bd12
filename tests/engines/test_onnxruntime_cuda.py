"""The built-in model through ONNX Runtime's CUDA provider, as it ships and as it is exported."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from dinoflow_deploy import load_engine
from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.engines.onnxruntime.providers import CUDA
from dinoflow_deploy.export import ExportOptions, export_bundle
from dinoflow_deploy.export.options import parse_inputs
from dinoflow_deploy.export.parity import TOLERANCES
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.train.model import load_model
from tests.export.old_operator import with_old_operator

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(CUDA not in onnxruntime.get_available_providers(), reason="onnxruntime without CUDA"),
]
NANO = builtin_models()["nano"]
SIZE = "96x160"


def test_the_builtin_model_starts_and_equals_the_cpu() -> None:
    check("nano", "fp32")


def test_a_bundle_with_the_operator_of_before_starts_too(tmp_path: Path) -> None:
    path = tmp_path / "old.onnx"
    onnx.save(with_old_operator(onnx.load(NANO.bundle / "model.onnx")), path)
    check(path, "fp32")


@pytest.mark.parametrize(
    ("precision", "size"), [("fp32", SIZE), ("fp16", SIZE), ("fp16", "dynamic")], ids="-".join
)
def test_an_export_starts_and_equals_the_cpu(precision: str, size: str, tmp_path: Path) -> None:
    inputs = parse_inputs(None, "dynamic") if size == "dynamic" else parse_inputs(size, "1")
    options = ExportOptions(precision, inputs=inputs, verify=False)
    export_bundle(load_model(NANO.weights), tmp_path / "bundle", options)
    check(tmp_path / "bundle", precision)


def check(source: str | Path, precision: str, device: str = "cuda") -> None:
    """Load a model on the device, and compare its flow with that of the built-in one on the CPU."""
    height, width = map(int, SIZE.split("x"))
    sample = SyntheticScenes(SceneConfig(height, width, max_motion=8), seed=1, length=1)[0]
    with load_engine("nano", "onnxruntime", "cpu") as engine:
        expected = engine(sample.frame1, sample.frame2)
    with load_engine(source, "onnxruntime", device) as engine:
        flow = engine(sample.frame1, sample.frame2)
    difference = np.linalg.norm(flow - expected, axis=-1)
    assert np.linalg.norm(expected, axis=-1).max() > 2
    assert difference.mean() <= TOLERANCES[precision].mean_px
    assert difference.max() <= TOLERANCES[precision].max_px
