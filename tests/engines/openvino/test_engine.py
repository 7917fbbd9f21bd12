from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from dinoflow_deploy import load_engine
from dinoflow_deploy.bundles.input_range import AxisRange
from dinoflow_deploy.engines.base import InputRange
from dinoflow_deploy.engines.openvino import devices
from dinoflow_deploy.engines.openvino import engine as engine_module
from dinoflow_deploy.engines.openvino.engine import OpenVinoEngine
from dinoflow_deploy.errors import DeviceError, EngineError, InputError
from dinoflow_deploy.export.parity import TOLERANCES
from dinoflow_deploy.models.builtin import builtin_models
from tests.small_bundles import WriteBundle, WriteOnnx, difference

MakeFrames = Callable[..., np.ndarray]


def test_a_bare_dynamic_file(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    frame1, frame2 = frames(2, 50, 70)
    path = write_onnx("tiny.onnx")
    with OpenVinoEngine(path) as engine:
        np.testing.assert_allclose(engine(frame1, frame2), difference(frame1, frame2), atol=1e-4)
        description = engine.describe()
    assert description.to_dict() == {
        "model": "tiny",
        "backend": "openvino",
        "device": "cpu",
        "provider": "CPU in fp32",
        "precision": "unknown",
        "source": str(path),
        "inputs": {
            "batch": {"min": 1, "opt": 1, "max": None},
            "height": {"min": 64, "opt": 64, "max": None},
            "width": {"min": 64, "opt": 64, "max": None},
        },
    }


def test_an_fp16_file_is_computed_in_float32(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    frame1, frame2 = frames(2, 64, 64)
    with OpenVinoEngine(write_onnx(element_type=TensorProto.FLOAT16)) as engine:
        flow = engine(frame1, frame2)
        assert (engine.describe().precision, engine.describe().provider) == ("fp16", "CPU in fp32")
    assert flow.dtype == np.float32
    # Its images and its flow are of 11 bits.
    np.testing.assert_allclose(flow, difference(frame1, frame2), atol=0.3)


def test_a_bundle_has_the_limits_of_its_manifest(write_bundle: WriteBundle, frames: MakeFrames) -> None:
    inputs = InputRange(AxisRange(1, 1, 2), AxisRange(96, 96, 128), AxisRange(64, 64, 128))
    folder = write_bundle(inputs=inputs)
    frames1, frames2 = frames(5, 20, 100), frames(5, 20, 100, seed=1)
    with load_engine(folder, "openvino", intra_op_threads=1, convert_colors=True) as engine:
        assert (engine.describe().model, engine.describe().source) == ("difference", str(folder))
        assert engine.describe().inputs == inputs
        np.testing.assert_allclose(engine.batch(frames1, frames2), difference(frames1, frames2), atol=1e-4)
        assert not engine(*frames(2, 64, 64)[:1].repeat(2, axis=0)[..., 0]).any(), "grey frames, the same"
        with pytest.raises(InputError, match=r"height is 96\.\.128"):
            engine(*frames(2, 129, 64))


@pytest.mark.parametrize("model", ["nano", "small"])
def test_a_built_in_model_has_the_flow_of_onnx_runtime(model: str, frames: MakeFrames) -> None:
    """Through the operator's body, at an odd size."""
    pair = frames(2, 75, 131)
    bundle = builtin_models()[model].bundle
    with load_engine(bundle, "openvino") as engine, load_engine(bundle, "onnxruntime", "cpu") as reference:
        flow, compared = engine(*pair), reference(*pair)
        limit = TOLERANCES[reference.describe().precision]
    length = np.linalg.norm(compared, axis=-1).mean()
    assert length > 1
    difference = np.linalg.norm(flow - compared, axis=-1)
    assert difference.max() <= limit.max_px
    assert difference.mean() <= min(limit.mean_px, limit.relative * length)


def test_results_stay_the_callers(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    pairs = frames(2, 64, 64), frames(2, 64, 64, seed=1)
    with OpenVinoEngine(write_onnx()) as engine:
        first = engine.infer(engine.prepare(*(each[np.newaxis] for each in pairs[0])))
        kept = first.copy()
        engine(*pairs[1])
        first += 0  # it can be written to
    np.testing.assert_array_equal(first, kept)


def test_several_threads_share_one_engine(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    sizes = [(40 + 8 * index, 64 + 16 * (index % 5)) for index in range(24)]
    pairs = [frames(2, *size, seed=index) for index, size in enumerate(sizes)]
    with OpenVinoEngine(write_onnx(), intra_op_threads=1) as engine, ThreadPoolExecutor(6) as pool:
        parallel = list(pool.map(lambda pair: engine(*pair), pairs))
    for flow, pair in zip(parallel, pairs, strict=True):
        np.testing.assert_allclose(flow, difference(*pair), atol=1e-4)


class TakenMeanwhile(deque[Any]):
    """Looks as if it held a request, which another thread has taken by the time that it is asked for."""

    def __len__(self) -> int:
        return 1


def test_a_request_that_another_thread_takes_first_is_made(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    pair = frames(2, 64, 64)
    with OpenVinoEngine(write_onnx()) as engine:
        engine._requests = TakenMeanwhile()
        np.testing.assert_allclose(engine(*pair), difference(*pair), atol=1e-4)


def test_a_closed_engine_says_so(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    engine = OpenVinoEngine(write_onnx())
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="this engine is closed"):
        engine(*frames(2, 64, 64))


def test_bfloat16_is_refused(tmp_path: Path) -> None:
    shape = ("batch", 3, "height", "width")
    graph = helper.make_graph(
        [
            helper.make_node("Sub", ["image1", "image2"], ["difference"]),
            helper.make_node("Cast", ["difference"], ["small"], to=TensorProto.BFLOAT16),
            helper.make_node("Sin", ["small"], ["sine"]),
            helper.make_node("Cast", ["sine"], ["flow"], to=TensorProto.FLOAT),
        ],
        "bf16",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("image1", "image2")],
        [helper.make_tensor_value_info("flow", TensorProto.FLOAT, shape)],
    )
    path = tmp_path / "bf16.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), path)
    with pytest.raises(EngineError, match=r"bf16\.onnx is in bfloat16.*export the model as fp32 or fp16"):
        OpenVinoEngine(path)


def test_a_failure_while_running_is_an_engine_error(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    """A file whose declared shape is wider than what its graph can compute; the engine stays usable."""
    path = write_onnx()
    model = onnx.load(path)
    model.graph.node.insert(0, helper.make_node("Reshape", ["image1", "fixed"], ["reshaped"]))
    model.graph.node[1].input[1] = "reshaped"
    model.graph.initializer.append(helper.make_tensor("fixed", TensorProto.INT64, [4], [1, 3, 64, 64]))
    onnx.save(model, path)
    with OpenVinoEngine(path) as engine:
        with pytest.raises(EngineError, match=r"OpenVINO failed on cpu with images \[1, 3, 64, 80\]"):
            engine(*frames(2, 64, 80))
        assert engine(*frames(2, 64, 64)).shape == (64, 64, 2)


def test_values_out_of_range_are_refused(write_onnx: WriteOnnx) -> None:
    with pytest.raises(InputError, match="intra_op_threads is 0"):
        OpenVinoEngine(write_onnx(), intra_op_threads=0)
    with pytest.raises(InputError, match="engine_precision 'int8' is not one of fp32, fp16, bf16"):
        OpenVinoEngine(write_onnx(), engine_precision="int8")


@pytest.fixture
def abilities(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have every device compute in these."""

    def replace(*names: str) -> None:
        monkeypatch.setattr(engine_module, "capabilities", lambda name: names)

    return replace


def test_less_than_float32_is_for_who_asks(
    write_onnx: WriteOnnx, monkeypatch: pytest.MonkeyPatch, abilities: Callable[..., None]
) -> None:
    abilities("FP32", "BF16")
    hints = []

    def compiled(read, path, device, settings):
        hints.append(settings["INFERENCE_PRECISION_HINT"])
        return devices.core().compile_model(read()[0], device)

    monkeypatch.setattr(engine_module, "compile_model", compiled)
    for asked, precision in ((None, "unknown"), ("fp32", "unknown"), ("bf16", "bf16")):
        assert OpenVinoEngine(write_onnx(), engine_precision=asked).describe().precision == precision
    assert hints == ["f32", "f32", "bf16"]
    with pytest.raises(DeviceError, match=r"'cpu' does not compute in fp16, but in fp32, bf16: ask for one"):
        OpenVinoEngine(write_onnx(), engine_precision="fp16")


def test_a_device_without_float32_takes_what_was_exported_in_less(
    write_bundle: WriteBundle, write_onnx: WriteOnnx, abilities: Callable[..., None]
) -> None:
    abilities("FP16", "INT8")
    with pytest.raises(
        DeviceError, match="does not compute in fp32, but in fp16: export the model as one, or ask"
    ):
        OpenVinoEngine(write_bundle())
    with pytest.raises(DeviceError, match="does not compute in fp32, but in fp16"):
        OpenVinoEngine(write_onnx())


def test_threads_are_openvinos(write_onnx: WriteOnnx) -> None:
    engine = OpenVinoEngine(write_onnx(), intra_op_threads=1)
    compiled = engine._compiled
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
