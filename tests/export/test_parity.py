"""The exported flow against PyTorch's, and what happens when it differs."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.engines.pytorch import PyTorchEngine
from dinoflow_deploy.errors import DinoFlowError, EngineError, ExportError
from dinoflow_deploy.export.cpu_engine import cpu_engine
from dinoflow_deploy.export.parity import TOLERANCES, Tolerance, verify
from dinoflow_deploy.progress import NoProgress
from tests.export.conftest import STATIC_SHAPE, Exported, GetExport

# Other batches, sides and aspect ratios than the traced 2 x 96 x 160; the smallest that is allowed.
SHAPES = ((1, 64, 64), (3, 64, 112), (1, 144, 64))


def test_flow_is_that_of_pytorch_at_shapes_other_than_the_traced(exported: Exported) -> None:
    with cpu_engine(exported.folder, exported.precision) as engine:
        reference = PyTorchEngine(exported.model, device="cpu")
        parity, rows = verify(engine, reference, exported.precision, NoProgress(), SHAPES)
    shapes = [(row.batch, row.height, row.width) for row in rows]
    assert shapes == (list(SHAPES) if exported.dynamic else [STATIC_SHAPE])
    assert all(row.flow_px > 1 for row in rows), "flow that is too small to show a difference"
    assert parity.pairs == sum(row.batch for row in rows)
    assert 0 < parity.mean_px < parity.p99_px < parity.max_px <= TOLERANCES[exported.precision].max_px


def test_tolerances_are_the_promised_ones() -> None:
    assert TOLERANCES["fp32"].max_px <= 1e-3
    assert TOLERANCES["fp16"] == Tolerance(mean_px=0.1, max_px=1.0)
    assert TOLERANCES["bf16"] == Tolerance(mean_px=0.5, max_px=5.0)


def test_the_static_and_the_dynamic_export_compute_the_same(get_export: GetExport) -> None:
    batch, height, width = STATIC_SHAPE
    frames = np.random.default_rng(0).integers(0, 256, (2, batch, height, width, 3), dtype=np.uint8)
    flows = []
    for dynamic in (False, True):
        with load_engine(get_export("nano", "fp32", dynamic).folder, "onnxruntime", "cpu") as engine:
            flows.append(engine.batch(*frames))
    np.testing.assert_allclose(flows[0], flows[1], atol=1e-3)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (
            1.5,
            ExportError,
            "the flow of onnxruntime CPUExecutionProvider is not that of pytorch fp32 on cpu: it differs by",
        ),
        (np.nan, EngineError, "the flow is not finite"),
    ],
)
def test_a_changed_weight_is_noticed(
    nano: Exported, tmp_path: Path, value: float, error: type[DinoFlowError], message: str
) -> None:
    changed = nano.onnx
    bias = next(tensor for tensor in changed.graph.initializer if tensor.name == "head.output_conv.4.bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(value), bias.name))
    onnx.save(changed, tmp_path / "changed.onnx")
    with load_engine(tmp_path / "changed.onnx", "onnxruntime", "cpu") as engine:
        reference = PyTorchEngine(nano.model, device="cpu")
        with pytest.raises(error, match=message):
            verify(engine, reference, "fp32", NoProgress(), SHAPES)
