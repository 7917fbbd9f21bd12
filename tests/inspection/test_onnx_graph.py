import random
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, inliner, numpy_helper

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.inspection import Report, inspect_artifact
from dinoflow_deploy.inspection.report import GraphDetails, TensorDetails
from tests.inspection.conftest import NANO

MODEL = NANO.bundle / "model.onnx"


def graph_of(path: Path) -> GraphDetails:
    report = inspect_artifact(path)
    assert isinstance(report, Report)
    assert report.kind == "onnx"
    assert report.graph is not None
    return report.graph


def test_nano_is_counted_as_onnx_counts_it() -> None:
    model, graph = onnx.load(MODEL), graph_of(MODEL)
    assert graph.nodes == len(model.graph.node)
    operators = Counter(node.op_type for node in model.graph.node)
    found: Counter[str] = Counter()
    for kinds in graph.precision.values():
        found.update({name.rpartition("::")[2]: count for name, count in kinds.items()})
    assert found == operators
    assert graph.precision["fp32"]["Conv"] == operators["Conv"]
    assert "unknown" not in graph.precision
    arrays = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    floats = [array for array in arrays if array.dtype == np.float32]
    weights = {part.type: part for part in graph.weights}
    assert (weights["fp32"].tensors, weights["fp32"].values, weights["fp32"].bytes) == (
        len(floats),
        sum(array.size for array in floats),
        sum(array.nbytes for array in floats),
    )
    assert graph.opsets == {"ai.onnx": 20, "dinoflow": 1}


def test_nano_is_a_flow_model_with_its_operator_and_body() -> None:
    model, graph = onnx.load(MODEL), graph_of(MODEL)
    assert graph.is_flow_model
    assert graph.tensors[0] == TensorDetails("image1", "input", "fp32", ("batch", 3, "height", "width"))
    assert graph.tensors[2] == TensorDetails("flow", "output", "fp32", ("batch", 2, "height", "width"))
    (operator,) = graph.operators
    assert operator.attributes == {"radius": 4, "plugin_namespace": "dinoflow", "plugin_version": "1"}
    assert operator.body_nodes == len(model.functions[0].node)


def test_an_operator_without_a_body_needs_a_plugin(tmp_path: Path) -> None:
    model = onnx.load(MODEL)
    del model.functions[:]
    onnx.save(model, tmp_path / "bare.onnx")
    (operator,) = graph_of(tmp_path / "bare.onnx").operators
    assert operator.body_nodes is None


def test_an_inline_export_has_no_operator(tmp_path: Path) -> None:
    onnx.save(inliner.inline_local_functions(onnx.load(MODEL)), tmp_path / "inline.onnx")
    graph = graph_of(tmp_path / "inline.onnx")
    assert graph.operators == ()
    assert graph.is_flow_model


@pytest.mark.parametrize(
    ("element_type", "name", "size"),
    [
        (TensorProto.FLOAT16, "fp16", 2),
        (TensorProto.BFLOAT16, "bf16", 2),
        (TensorProto.DOUBLE, "fp64", 8),
        (TensorProto.INT8, "int8", 1),
    ],
)
def test_a_foreign_model_of_every_type(element_type: int, name: str, size: int, tmp_path: Path) -> None:
    onnx.save(mixed_model(element_type), tmp_path / "foreign.onnx")
    graph = graph_of(tmp_path / "foreign.onnx")
    assert not graph.is_flow_model
    assert graph.operators == ()
    assert graph.precision == {"fp32": {"Cast": 2, "If": 1}, name: {"Identity": 1, "Constant": 1, "Cast": 1}}
    # The 3 of a Constant node beside the 2000 of an initialiser.
    large, small = graph.weights
    assert (large.type, large.tensors, large.values, large.bytes) == (name, 2, 2003, 2003 * size)
    assert (small.type, small.bytes, small.used_by) == ("bool", 1, {"If": 1})
    assert graph.tensors[-1] == TensorDetails("y", "output", "fp32", (2000,))


def mixed_model(element_type: int) -> onnx.ModelProto:
    """A branch whose values have the type, in a model that gives float32."""
    zeros = bytes(2000 * helper.tensor_dtype_to_np_dtype(element_type).itemsize)
    weight = helper.make_tensor("w", element_type, [2000], zeros, raw=True)
    three = helper.make_tensor("three", element_type, [3], [1, 2, 3])

    def branch(nodes: list[onnx.NodeProto], output: str) -> onnx.GraphProto:
        value = helper.make_tensor_value_info(output, TensorProto.FLOAT, [2000])
        return helper.make_graph(nodes, output, [], [value])

    cast = helper.make_node("Cast", ["inner"], ["a"], to=TensorProto.FLOAT)
    then = branch([helper.make_node("Identity", ["w"], ["inner"]), cast], "a")
    otherwise = branch(
        [
            helper.make_node("Constant", [], ["c"], value=three),
            helper.make_node("Cast", ["x"], ["other"], to=element_type),
            helper.make_node("Cast", ["other"], ["b"], to=TensorProto.FLOAT),
        ],
        "b",
    )
    choose = helper.make_node("If", ["flag"], ["y"], then_branch=then, else_branch=otherwise)
    graph = helper.make_graph(
        [choose],
        "foreign",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2000])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2000])],
        [weight, helper.make_tensor("flag", TensorProto.BOOL, [], [True])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def test_weights_in_a_file_of_their_own_are_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(onnx.load(MODEL), path, save_as_external_data=True, location="model.data", size_threshold=0)
    report, whole = inspect_artifact(path), graph_of(MODEL)
    assert report.graph is not None
    assert report.graph.external_files == ("model.data",)
    assert report.graph.weights == whole.weights
    assert report.graph.precision == whole.precision
    assert [file.name for file in report.files] == ["model.onnx", "model.data"]
    (tmp_path / "model.data").unlink()
    with pytest.raises(FileFormatError, match=r"model\.onnx .*model\.data"):
        inspect_artifact(path)


@pytest.mark.parametrize("content", [b"", b"\x00", b"not a model", MODEL.read_bytes()[:-100], b"\x08\x0a"])
def test_a_file_that_is_no_onnx_model_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"broken\.onnx is (damaged or )?not an ONNX file"):
        inspect_artifact(path)


def test_a_graph_with_a_dangling_input_is_refused(tmp_path: Path) -> None:
    model = onnx.load(MODEL)
    model.graph.node[3].input[0] = "nowhere"
    onnx.save(model, tmp_path / "cut.onnx")
    with pytest.raises(FileFormatError, match=r"cut\.onnx is no valid model for onnx"):
        inspect_artifact(tmp_path / "cut.onnx")


def test_damage_anywhere_is_either_read_over_or_named(tmp_path: Path) -> None:
    content = mixed_model(TensorProto.FLOAT16)
    content.graph.initializer[0].CopyFrom(helper.make_tensor("w", TensorProto.FLOAT16, [4], [1, 2, 3, 4]))
    whole, generator = content.SerializeToString(), random.Random(0)
    path, messages = tmp_path / "damaged.onnx", []
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] = generator.randrange(256)
        path.write_bytes(damaged)
        try:
            inspect_artifact(path)
        except FileFormatError as error:
            messages.append(str(error))
    assert len(messages) > 30
    assert all(str(path) in message for message in messages)
