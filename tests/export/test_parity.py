"""The exported flow against PyTorch's, and what happens when it differs."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.engines import FlowEngine, load_engine
from dinoflow_deploy.engines.pytorch import PyTorchEngine
from dinoflow_deploy.errors import DinoFlowError, EngineError, ExportError
from dinoflow_deploy.export import parity as parity_module
from dinoflow_deploy.export.cpu_engine import cpu_engine
from dinoflow_deploy.export.parity import TOLERANCES, Tolerance, scene_frames, tolerance_of, verify
from dinoflow_deploy.progress import NoProgress
from tests.export.conftest import STATIC_SHAPE, Exported, GetExport
from tests.train.micro import Recorder

pytestmark = pytest.mark.slow

# Other batches, sides and aspect ratios than the traced 2 x 96 x 160; the smallest that is allowed.
SHAPES = ((1, 64, 64), (3, 64, 112), (1, 144, 64))


def test_flow_is_that_of_pytorch_at_shapes_other_than_the_traced(exported: Exported) -> None:
    with cpu_engine(Bundle.open(exported.folder)) as engine:
        reference = PyTorchEngine(exported.model, device="cpu")
        parity, rows = verify(engine, reference, exported.precision, NoProgress(), SHAPES)
    shapes = [(row.batch, row.height, row.width) for row in rows]
    assert shapes == (list(SHAPES) if exported.dynamic else [STATIC_SHAPE])
    assert all(row.flow_px > 3 for row in rows), "flow that is too small to show a difference"
    assert parity.pairs == sum(row.batch for row in rows)
    tolerance = TOLERANCES[exported.precision]
    assert 0 < parity.mean_px < parity.p99_px < parity.max_px <= tolerance.max_px == parity.tolerance_px
    assert parity.relative == pytest.approx(max(row.mean_px / row.flow_px for row in rows))
    assert 0 < parity.relative <= tolerance.relative == parity.relative_tolerance


def test_tolerances_are_the_promised_ones() -> None:
    assert TOLERANCES["fp32"] == Tolerance(relative=1e-4, mean_px=2e-4, max_px=1e-3)
    assert TOLERANCES["fp16"] == Tolerance(relative=0.02, mean_px=0.5, max_px=2.0)
    assert TOLERANCES["bf16"] == Tolerance(relative=0.1, mean_px=2.0, max_px=8.0)


def test_openvino_has_limits_of_its_own_in_float32() -> None:
    assert tolerance_of("openvino", "fp32") == Tolerance(relative=1e-4, mean_px=4e-4, max_px=2.5e-3)
    assert tolerance_of("openvino", "fp16") == tolerance_of("onnxruntime", "fp16") == TOLERANCES["fp16"]
    assert tolerance_of("tensorrt", "fp32") == TOLERANCES["fp32"]


class Scaled(FlowEngine):
    """An engine whose flow is a part of another's; none of it is what a plan gives that computes nothing."""

    def __init__(self, inner: FlowEngine, part: float) -> None:
        super().__init__(inner.describe())
        self._inner, self._part = inner, part

    def _run(self, images1: np.ndarray, images2: np.ndarray) -> np.ndarray:
        return self._inner._run(images1, images2) * np.float32(self._part)


class Constant(FlowEngine):
    """An engine that gives the mean of another's flow everywhere."""

    def __init__(self, inner: FlowEngine) -> None:
        super().__init__(inner.describe())
        self._inner = inner

    def _run(self, images1: np.ndarray, images2: np.ndarray) -> np.ndarray:
        flow = self._inner._run(images1, images2)
        return np.broadcast_to(flow.mean((0, 2, 3), keepdims=True), flow.shape).copy()


class Remembered(FlowEngine):
    """An engine that is run once at each shape, since the frames are always the same."""

    def __init__(self, inner: FlowEngine) -> None:
        super().__init__(inner.describe())
        self._inner, self._flows = inner, dict[tuple[int, ...], np.ndarray]()

    def _run(self, images1: np.ndarray, images2: np.ndarray) -> np.ndarray:
        if images1.shape not in self._flows:
            self._flows[images1.shape] = self._inner._run(images1, images2)
        return self._flows[images1.shape]


@pytest.fixture(scope="module")
def trained() -> Iterator[FlowEngine]:
    """The trained model, on the pairs that every export is judged by."""
    patch = pytest.MonkeyPatch()
    with load_engine("nano", "onnxruntime", "cpu") as engine:
        patch.setattr(parity_module, "scene_frames", cache(parity_module.scene_frames))
        yield Remembered(engine)
        patch.undo()


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize(("part", "share"), [(0.0, "1"), (0.5, r"0\.5")])
def test_no_flow_and_half_the_flow_are_refused(
    precision: str, part: float, share: str, trained: FlowEngine
) -> None:
    with pytest.raises(ExportError, match=rf"by {share} of the flow's length, \d+ px \(limit"):
        verify(Scaled(trained, part), trained, precision, NoProgress())


def test_the_trained_model_s_flow_is_longer_than_the_limits(trained: FlowEngine) -> None:
    parity, rows = verify(trained, trained, "fp32", NoProgress())
    assert (parity.max_px, parity.relative) == (0, 0)
    assert [row.flow_px > 10 for row in rows] == [True, True, True]
    assert rows[2].flow_px > 3
    assert parity.flow_px is not None
    assert parity.flow_px > max(tolerance.max_px for tolerance in TOLERANCES.values())


def test_one_flow_for_every_frame_is_refused(trained: FlowEngine) -> None:
    """What a plan gives that does not look at the frames and has the right mean."""
    with pytest.raises(ExportError, match="is not that"):
        verify(Constant(trained), trained, "bf16", NoProgress())


def test_no_flow_at_one_shape_is_refused(trained: FlowEngine) -> None:
    """At the smallest, whose few pixels weigh little among all, and whose flow is below every limit in px."""

    class Partly(Scaled):
        def _run(self, images1: np.ndarray, images2: np.ndarray) -> np.ndarray:
            return (
                super()._run(images1, images2) if images1.shape[2] == 64 else trained._run(images1, images2)
            )

    with pytest.raises(ExportError, match="by 1 of the flow's length"):
        verify(Partly(trained, 0.0), trained, "bf16", NoProgress())


def test_a_model_that_finds_no_motion_is_no_measure(trained: FlowEngine) -> None:
    recorder, little, none = Recorder(), Scaled(trained, 0.01), Scaled(trained, 0.0)
    verify(little, little, "bf16", recorder)
    (note,) = recorder.notes
    assert re.match(
        r"note: the model's flow is 0\.\d+ px long on average where the scenes move by many", note
    )
    with pytest.raises(ExportError, match="by inf of the flow's length, 0 px"):
        verify(none, none, "fp32", NoProgress())


def test_the_pairs_move_and_are_the_same_each_time() -> None:
    for shape in parity_module.SHAPES:
        frames1, frames2 = scene_frames(*shape)
        assert frames1.shape == frames2.shape == (*shape, 3)
        assert np.array_equal(frames1, scene_frames(*shape)[0])
        # By another measure than the truth: OpenCV's DIS, which needs no weights.
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        pairs = zip(frames1, frames2, strict=True)
        grey = [[cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in pair] for pair in pairs]
        lengths = [np.linalg.norm(dis.calc(*pair, None), axis=-1).mean() for pair in grey]
        assert min(lengths) > 3


def test_progress_ends_with_the_figure_of_the_table(trained: FlowEngine) -> None:
    recorder = Recorder()
    parity, rows = verify(Scaled(trained, 1 + 5e-6), trained, "fp32", recorder)
    said = [figures["max"] for figures in recorder.figures]
    assert said == sorted(said)
    assert said[-1] == float(f"{parity.max_px:.2g}") == float(f"{max(row.max_px for row in rows):.2g}")


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
