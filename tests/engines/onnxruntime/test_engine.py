from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from dinoflow_deploy.bundles.input_range import AxisRange
from dinoflow_deploy.engines.base import InputRange
from dinoflow_deploy.engines.onnxruntime import engine as engine_module
from dinoflow_deploy.engines.onnxruntime.engine import OnnxRuntimeEngine
from dinoflow_deploy.engines.onnxruntime.providers import CUDA
from dinoflow_deploy.errors import DeviceError, EngineError, FileFormatError, InputError
from tests.small_bundles import WriteBundle, WriteOnnx, difference

MakeFrames = Callable[..., np.ndarray]


def test_a_bare_dynamic_file(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    frame1, frame2 = frames(2, 50, 70)
    path = write_onnx("tiny.onnx")
    with OnnxRuntimeEngine(path, device="cpu") as engine:
        np.testing.assert_allclose(engine(frame1, frame2), difference(frame1, frame2), atol=1e-4)
        description = engine.describe()
    assert description.to_dict() == {
        "model": "tiny",
        "backend": "onnxruntime",
        "device": "cpu",
        "provider": "CPUExecutionProvider",
        "precision": "unknown",
        "source": str(path),
        "inputs": {
            "batch": {"min": 1, "opt": 1, "max": None},
            "height": {"min": 64, "opt": 64, "max": None},
            "width": {"min": 64, "opt": 64, "max": None},
        },
    }


def test_an_fp16_file_takes_and_gives_float32(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    frame1, frame2 = frames(2, 64, 64)
    with OnnxRuntimeEngine(write_onnx(element_type=TensorProto.FLOAT16), device="cpu") as engine:
        flow = engine(frame1, frame2)
        assert engine.describe().precision == "fp16"
    assert flow.dtype == np.float32
    # Half has 11 bits: 255 * two values rounded in [0, 1] is off by up to 255 * 2 * 2^-12, and rounds again.
    np.testing.assert_allclose(flow, difference(frame1, frame2), atol=0.3)


def test_a_bundle_has_the_limits_of_its_manifest(write_bundle: WriteBundle, frames: MakeFrames) -> None:
    inputs = InputRange(AxisRange(1, 1, 2), AxisRange(96, 96, 128), AxisRange(64, 64, 128))
    folder = write_bundle(inputs=inputs)
    frames1, frames2 = frames(5, 20, 100), frames(5, 20, 100, seed=1)
    with OnnxRuntimeEngine(folder, device="auto", intra_op_threads=1) as engine:
        assert engine.describe().model == "difference"
        assert engine.describe().inputs == inputs
        assert engine.describe().source == str(folder)
        np.testing.assert_allclose(engine.batch(frames1, frames2), difference(frames1, frames2), atol=1e-4)
        assert engine.prepare(frames1[:1], frames2[:1]).images1.shape == (1, 3, 96, 112)
        with pytest.raises(InputError, match=r"height is 96\.\.128"):
            engine(*frames(2, 129, 64))


def test_several_threads_share_one_engine(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    sizes = [(40 + 8 * index, 64 + 16 * (index % 5)) for index in range(24)]
    pairs = [frames(2, *size, seed=index) for index, size in enumerate(sizes)]
    with OnnxRuntimeEngine(write_onnx(), device="cpu", intra_op_threads=1) as engine:
        serial = [engine(*pair) for pair in pairs]
        with ThreadPoolExecutor(6) as pool:
            parallel = list(pool.map(lambda pair: engine(*pair), pairs))
    for one, other in zip(serial, parallel, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Load model from m.onnx failed: ModelProto has no graph.", FileFormatError),
        ("", EngineError),
    ],
)
def test_what_older_releases_say_of_a_damaged_file(
    said: str, kind: type[Exception], write_onnx: WriteOnnx, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail = type("Fail", (Exception,), {})  # as ONNX Runtime names it

    def refuse(*_: object, **__: object) -> None:
        raise fail(said)

    path = write_onnx()
    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    with pytest.raises(kind, match=str(path)):
        OnnxRuntimeEngine(path, device="cpu")


def test_an_operator_without_kernel_is_named(tmp_path: Path) -> None:
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
    with pytest.raises(EngineError, match=r"no kernel for a part of .*bf16\.onnx on cpu.*Sin"):
        OnnxRuntimeEngine(path, device="cpu")


def test_a_failure_while_running_is_an_engine_error(
    write_onnx: WriteOnnx, frames: MakeFrames, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file whose declared shape is wider than what its graph can compute."""
    path = write_onnx()
    model = onnx.load(path)
    model.graph.node.insert(0, helper.make_node("Reshape", ["image1", "fixed"], ["reshaped"]))
    model.graph.node[1].input[1] = "reshaped"
    model.graph.initializer.append(helper.make_tensor("fixed", TensorProto.INT64, [4], [1, 3, 64, 64]))
    onnx.save(model, path)
    with OnnxRuntimeEngine(path, device="cpu") as engine:
        assert engine(*frames(2, 64, 64)).shape == (64, 64, 2)
        with pytest.raises(EngineError, match=r"failed on cpu with images \[1, 3, 64, 80\]"):
            engine(*frames(2, 64, 80))
    assert capfd.readouterr() == ("", "")


def test_threads_must_be_positive(write_onnx: WriteOnnx) -> None:
    with pytest.raises(InputError, match="intra_op_threads is 0"):
        OnnxRuntimeEngine(write_onnx(), device="cpu", intra_op_threads=0)


def test_cuda_that_does_not_work_is_an_error_when_asked_for(
    write_onnx: WriteOnnx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        engine_module, "provider_problem", lambda provider, index: "libcublas.so.13: not found"
    )
    path = write_onnx()
    for device in ("cuda", "cuda:1"):
        with pytest.raises(DeviceError, match=f"'{device}': libcublas.*\n.*device 'cpu'; or .* run: pip"):
            OnnxRuntimeEngine(path, device=device)
    with OnnxRuntimeEngine(path, device="auto") as engine:
        assert engine.describe().device == "cpu"
        assert engine.describe().provider == "CPUExecutionProvider"


def test_nodes_left_on_the_cpu_are_an_error(write_onnx: WriteOnnx, monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA works, and has no kernel for some nodes; here the CPU provider stands in for it."""
    monkeypatch.setattr(engine_module, "provider_problem", lambda provider, index: None)
    monkeypatch.setattr(engine_module, "provider_options", lambda *_: ["CPUExecutionProvider"])
    left = [f"GridSample 'upsample{index}'" for index in range(7)]
    monkeypatch.setattr(engine_module, "nodes_elsewhere", lambda session, provider, path: left)
    with pytest.raises(
        DeviceError, match=r"7 nodes of .*: GridSample 'upsample0', .*'upsample4', \.\.\.\. Export"
    ):
        OnnxRuntimeEngine(write_onnx(), device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(CUDA not in onnxruntime.get_available_providers(), reason="onnxruntime without CUDA")
def test_cuda_equals_the_cpu(write_onnx: WriteOnnx, frames: MakeFrames) -> None:
    frames1, frames2 = frames(3, 50, 70), frames(3, 50, 70, seed=1)
    with OnnxRuntimeEngine(write_onnx(), device="cuda") as engine:
        assert engine.describe().provider == "CUDAExecutionProvider"
        np.testing.assert_allclose(engine.batch(frames1, frames2), difference(frames1, frames2), atol=1e-4)
