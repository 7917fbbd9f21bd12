"""Bundles and ONNX files of a model so small that they are made for each test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.bundles.manifest import FileInfo, Manifest, ModelInfo
from dinoflow_deploy.bundles.onnx_info import OnnxInfo, OperatorInfo
from dinoflow_deploy.tensorrt.plan_info import PlanInfo

WriteOnnx = Callable[..., Path]
WriteBundle = Callable[..., Path]


def difference_model(
    inputs: tuple[str, str] = ("image1", "image2"),
    output: str = "flow",
    element_type: int = TensorProto.FLOAT,
    shape: tuple[str | int, ...] = ("batch", 3, "height", "width"),
) -> onnx.ModelProto:
    """A model with the signature of the real one: flow = (red, green) of 255 * (image2 - image1)."""
    batch, _, height, width = shape if len(shape) == 4 else ("b", 3, "h", "w")
    scale_type = helper.tensor_dtype_to_np_dtype(element_type)
    constants = {"start": [0], "end": [2], "axis": [1]}
    graph = helper.make_graph(
        [
            helper.make_node("Sub", [inputs[1], inputs[0]], ["difference"]),
            helper.make_node("Mul", ["difference", "scale"], ["scaled"]),
            helper.make_node("Slice", ["scaled", "start", "end", "axis"], [output]),
        ],
        "difference",
        [helper.make_tensor_value_info(name, element_type, shape) for name in inputs],
        [helper.make_tensor_value_info(output, element_type, (batch, 2, height, width))],
        [
            helper.make_tensor("scale", element_type, [], np.array(255, scale_type).tobytes(), raw=True),
            *(helper.make_tensor(name, TensorProto.INT64, [1], value) for name, value in constants.items()),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def byte_model(shape: tuple[str | int, ...] = ("batch", "height", "width", 3)) -> onnx.ModelProto:
    """What ``difference_model`` computes, from frames of bytes."""
    batch, height, width, _ = shape
    names = ("frame1", "frame2")
    constants = {"start": [0], "end": [2], "axis": [1]}
    graph = helper.make_graph(
        [
            *(helper.make_node("Cast", [name], [f"{name}/f"], to=TensorProto.FLOAT) for name in names),
            helper.make_node("Sub", ["frame2/f", "frame1/f"], ["difference"]),
            helper.make_node("Transpose", ["difference"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Slice", ["planes", "start", "end", "axis"], ["flow"]),
        ],
        "difference",
        [helper.make_tensor_value_info(name, TensorProto.UINT8, shape) for name in names],
        [helper.make_tensor_value_info("flow", TensorProto.FLOAT, (batch, 2, height, width))],
        [helper.make_tensor(name, TensorProto.INT64, [1], value) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def difference(frames1: np.ndarray, frames2: np.ndarray) -> np.ndarray:
    """What ``difference_model`` computes, from its definition."""
    return frames2[..., :2].astype(np.float32) - frames1[..., :2].astype(np.float32)


@pytest.fixture
def write_onnx(tmp_path: Path) -> WriteOnnx:
    """Write ``difference_model(**arguments)`` and give its path."""

    def write(name: str = "model.onnx", **arguments: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(difference_model(**arguments), path)  # type: ignore[arg-type]
        return path

    return write


@pytest.fixture
def write_bundle(write_onnx: WriteOnnx) -> WriteBundle:
    """Write a bundle of ``difference_model`` into a folder of that name and give its path."""

    def write(name: str = "bundle", inputs: InputRange | None = None, **arguments: object) -> Path:
        path = write_onnx(f"{name}/model.onnx", **arguments)
        manifest = make_manifest({"model.onnx": FileInfo.of(path)}, inputs or DYNAMIC)
        (path.parent / "manifest.json").write_text(manifest.to_json())
        return path.parent

    return write


DYNAMIC = InputRange(AxisRange(1, 1, 16), AxisRange(64, 448, 2048), AxisRange(64, 1024, 2048))


def make_manifest(
    files: dict[str, FileInfo],
    inputs: InputRange = DYNAMIC,
    precision: str = "fp32",
    plans: tuple[PlanInfo, ...] = (),
) -> Manifest:
    of_file = OnnxInfo(
        file="model.onnx",
        inputs=inputs,
        operator=OperatorInfo(radius=4, inline=False),
        opset=20,
        tools={"onnx": onnx.__version__},
        key=None,
        parity=None,
    )
    return Manifest(
        model=ModelInfo("difference", "0" * 64, {"backbone": "none"}),
        precision=precision,
        artefacts=tuple(info.artefact() for info in (of_file, *plans)),
        files=files,
    )


@pytest.fixture
def frames() -> Callable[..., np.ndarray]:
    """Random frames ``uint8 [count, height, width, 3]``."""

    def make(count: int, height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
        generator = np.random.default_rng(seed)
        return generator.integers(0, 256, (count, height, width, channels), dtype=np.uint8)

    return make
