"""``--plain``: for runtimes that read no ONNX functions, with OpenVINO as the stranger."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from dinoflow_deploy.export.graph.cleanup import clean
from dinoflow_deploy.export.graph.onnx_model import inline_operator
from dinoflow_deploy.export.graph.operator import operator_nodes
from tests.export.conftest import STATIC_SHAPE, Exported, GetExport

pytestmark = pytest.mark.slow

openvino = pytest.importorskip("openvino")


@pytest.fixture(params=[False, True], ids=["static", "dynamic"])
def operator_file(request: pytest.FixtureRequest, get_export: GetExport) -> Exported:
    return get_export("nano", "fp32", request.param)


def plain_model(exported: Exported) -> onnx.ModelProto:
    model = inline_operator(exported.onnx)
    clean(model)
    return model


def test_holds_standard_operators_alone(operator_file: Exported) -> None:
    model = plain_model(operator_file)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    assert operator_nodes(model) == []
    assert len(model.functions) == 0
    assert {entry.domain for entry in model.opset_import} == {""}
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)


def test_openvino_refuses_the_operator_and_runs_the_plain_file(operator_file: Exported) -> None:
    core = openvino.Core()
    with pytest.raises(RuntimeError, match="LocalCorrelation"):
        core.read_model(str(operator_file.path))
    images = images_of(*STATIC_SHAPE)
    compiled = core.compile_model(core.read_model(plain_model(operator_file).SerializeToString()), "CPU", F32)
    flow = compiled({"image1": images[0], "image2": images[1]})["flow"]
    np.testing.assert_allclose(flow, run(operator_file.onnx, images), atol=1e-3)


F32: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}


def images_of(batch: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((2, batch, 3, height, width), dtype=np.float32)


def run(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(["flow"], {"image1": images[0], "image2": images[1]})[0]
