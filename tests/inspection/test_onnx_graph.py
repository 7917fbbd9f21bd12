import json
import random
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, inliner, numpy_helper

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.inspection import Report, inspect_artifact, report_lines
from dinoflow_deploy.inspection.onnx_weights import keep_small_values
from dinoflow_deploy.inspection.report import GraphDetails, TensorDetails
from tests.export.old_operator import with_old_operator
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
    assert operator.attributes == {
        "radius": 4,
        "scale": pytest.approx(32**-0.5),
        "plugin_namespace": "dinoflow",
        "plugin_version": "1",
    }
    assert operator.body_nodes == len(model.functions[0].node)


def test_the_operator_of_older_bundles_is_read(tmp_path: Path) -> None:
    onnx.save(with_old_operator(onnx.load(MODEL)), tmp_path / "old.onnx")
    (operator,) = graph_of(tmp_path / "old.onnx").operators
    assert operator.attributes == {"radius": 4, "plugin_namespace": "dinoflow", "plugin_version": "1"}


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
    # By the Identity in one branch; nothing takes the constant of the other.
    assert large.used_by == {"Identity": 1}
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offset": "4"}, r"w\.bin: the tensor w needs 8000 bytes from 4 on, not 7996:"),
        ({"length": "4"}, "needs 8000 bytes from 0 on, not 4:"),
        ({"offset": "-4"}, "needs 8000 bytes from -4 on"),
        ({"offset": "far"}, "is damaged"),
    ],
)
def test_weights_that_their_file_does_not_hold_are_named(changes: dict, message: str, tmp_path: Path) -> None:
    inspect_artifact(model_with_external_weight(tmp_path, {}))
    with pytest.raises(FileFormatError, match=rf"model\.onnx .*{message}"):
        inspect_artifact(model_with_external_weight(tmp_path, changes))


def test_of_a_large_file_no_more_is_read_than_a_small_tensor_has(tmp_path: Path) -> None:
    path = model_with_external_weight(tmp_path, {})
    with (tmp_path / "w.bin").open("r+b") as file:
        file.truncate(64 << 20)
    model = onnx.load(path, load_external_data=False)
    model.graph.initializer[0].dims[:] = [1]
    tracemalloc.start()
    keep_small_values(model, path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert model.graph.initializer[0].raw_data == bytes(4)
    assert peak < 1 << 20


def model_with_external_weight(folder: Path, stated: dict[str, str]) -> Path:
    """y = x + w, the 2000 float32 of w in ``w.bin``."""
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2000])
    weight.data_location = TensorProto.EXTERNAL
    for key, value in ({"location": "w.bin"} | stated).items():
        weight.external_data.add(key=key, value=value)
    (folder / "w.bin").write_bytes(bytes(8000))
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2000]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "external", [x], [y], [weight])
    return save(graph, folder / "model.onnx")


def save(graph: onnx.GraphProto, path: Path) -> Path:
    """Not by ``onnx.save``, which loads external weights and changes bytes that are not UTF-8."""
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("dinoflow", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


def test_values_that_are_no_plain_tensors(tmp_path: Path) -> None:
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", None, 0])
    sequence = helper.make_sequence_type_proto(tensor)
    mapping = helper.make_map_type_proto(TensorProto.INT64, tensor)
    types = {
        "a": (sequence, "sequence(fp32)", None),
        "b": (helper.make_optional_type_proto(sequence), "optional(sequence(fp32))", None),
        "c": (helper.make_sparse_tensor_type_proto(TensorProto.DOUBLE, [2]), "sparse(fp64)", None),
        "d": (helper.make_sequence_type_proto(mapping), "sequence(map(int64, fp32))", None),
        "e": (helper.make_tensor_type_proto(TensorProto.FLOAT, []), "fp32", ()),
        "f": (tensor, "fp32", ("n", -1, 0)),
    }
    inputs = [helper.make_value_info(name, kind) for name, (kind, _, _) in types.items()]
    path = save(helper.make_graph([], "types", inputs, []), tmp_path / "types.onnx")
    graph = graph_of(path)
    assert {each.name: (each.type, each.shape) for each in graph.tensors} == {
        name: (kind, shape) for name, (_, kind, shape) in types.items()
    }
    lines = [text for _, text in report_lines(inspect_artifact(path))]
    assert "a, sequence(fp32)" in lines
    assert "e, fp32 []" in lines
    assert "f, fp32 [n, -1, 0]" in lines


def test_sparse_weights_are_weights(tmp_path: Path) -> None:
    values = helper.make_tensor("s", TensorProto.FLOAT, [3], [1, 2, 3])
    indices = helper.make_tensor("where", TensorProto.INT64, [3], [0, 5, 9])
    sparse = helper.make_sparse_tensor(values, indices, [10])
    constant = helper.make_node("Constant", [], ["c"], sparse_value=sparse)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [10]) for name in "sy")
    add = helper.make_node("Add", ["s", "c"], ["y"])
    graph = helper.make_graph([constant, add], "sparse", [x], [y], sparse_initializer=[sparse])
    found = graph_of(save(graph, tmp_path / "sparse.onnx"))
    assert [(part.type, part.tensors, part.values, part.bytes, part.used_by) for part in found.weights] == [
        ("int64", 2, 6, 48, {"Add": 2}),
        ("fp32", 2, 6, 24, {"Add": 2}),
    ]
    assert [each.name for each in found.tensors] == ["y"]


def test_branches_may_use_the_same_names(tmp_path: Path) -> None:
    def branch(name: str, middle: int) -> onnx.GraphProto:
        there = helper.make_node("Cast", ["x"], ["middle"], to=middle)
        back = helper.make_node("Cast", ["middle"], [name], to=TensorProto.FLOAT)
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])
        return helper.make_graph([there, back], name, [], [output])

    branches = {
        "then_branch": branch("a", TensorProto.FLOAT16),
        "else_branch": branch("b", TensorProto.DOUBLE),
    }
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    flag = helper.make_tensor_value_info("flag", TensorProto.BOOL, [])
    choose = helper.make_node("If", ["flag"], ["y"], **branches)
    path = save(helper.make_graph([choose], "choose", [x, flag], [y]), tmp_path / "choose.onnx")
    assert graph_of(path).precision == {
        "fp32": {"Cast": 2, "If": 1},
        "fp16": {"Cast": 1},
        "fp64": {"Cast": 1},
    }


def test_attributes_of_every_kind_go_into_json(tmp_path: Path) -> None:
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [1], [1])
    node = helper.make_node(
        "LocalCorrelation", ["x"], ["y"], domain="dinoflow", a=float("nan"), b=["p", "q"], c=tensor, d=[1, 2]
    )
    # A name that is not UTF-8, which protobuf should refuse and does not.
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "y"))
    path = save(helper.make_graph([node], "attributes", [x], [y]), tmp_path / "attributes.onnx")
    path.write_bytes(path.read_bytes().replace(b"\x01x", b"\x01\xff"))
    report = inspect_artifact(path)
    graph = json.loads(json.dumps(report.to_dict(), allow_nan=False))["graph"]
    assert graph["operators"][0]["attributes"] == {"a": "nan", "b": ["p", "q"], "c": "tensor", "d": [1, 2]}
    assert graph["tensors"][0]["name"] == "\\xff"


def test_a_file_larger_than_any_onnx_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(FileFormatError, match=r"huge\.onnx is not an ONNX file: 2147483648 bytes, where"):
        inspect_artifact(path)


@pytest.mark.parametrize("content", [b"", b"\x00", b"not a model", MODEL.read_bytes()[:-100], b"\x08\x0a"])
def test_a_file_that_is_no_onnx_model_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"broken\.onnx is (damaged or )?not an ONNX file"):
        inspect_artifact(path)


def test_what_the_checker_objects_to_is_said(tmp_path: Path) -> None:
    assert graph_of(MODEL).objection is None
    model = onnx.load(MODEL)
    model.graph.node[3].input[0] = "nowhere"
    onnx.save(model, tmp_path / "cut.onnx")
    report = inspect_artifact(tmp_path / "cut.onnx")
    assert report.graph is not None
    assert report.graph.objection is not None
    assert "input 'nowhere'" in report.graph.objection
    lines = [line for _, line in report_lines(report)]
    assert f"not valid ONNX, though a runtime may read it: {report.graph.objection}" in lines


def lenient_models() -> dict[str, onnx.ModelProto]:
    """Models that ONNX Runtime computes and the checker of ``onnx`` refuses."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    first, second = helper.make_node("Abs", ["x"], ["a"]), helper.make_node("Neg", ["a"], ["y"])
    scale = helper.make_tensor("s", TensorProto.FLOAT, [4], [1, 1, 1, 1])
    graphs = {
        "nodes in any order": helper.make_graph([second, first], "g", [x], [y]),
        "no name": helper.make_graph([first, second], "", [x], [y]),
        "an operator that ONNX Runtime's optimiser writes": helper.make_graph(
            [helper.make_node("SimplifiedLayerNormalization", ["x", "s"], ["y"])], "g", [x], [y], [scale]
        ),
        "a domain that is not imported": helper.make_graph(
            [helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")], "g", [x], [y]
        ),
    }
    opsets = [helper.make_opsetid("", 20)]
    return {
        name: helper.make_model(graph, opset_imports=opsets, ir_version=10) for name, graph in graphs.items()
    }


@pytest.mark.parametrize("kind", lenient_models())
def test_what_onnx_runtime_reads_is_inspected(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(lenient_models()[kind].SerializeToString())
    assert runtime_reads(path)
    graph = graph_of(path)
    assert [tensor.name for tensor in graph.tensors] == ["x", "y"]
    assert graph.objection


def runtime_reads(path: Path) -> bool:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception:
        return False
    return True


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
