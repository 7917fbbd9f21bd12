"""What the exported file is made of."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from google.protobuf.message import Message
from onnx import TensorProto, helper, numpy_helper

import dinoflow_deploy
from dinoflow_deploy.export.graph.operator import OPERATOR_ATTRIBUTES, operator_nodes
from tests.export.conftest import STATIC_SHAPE, Exported

pytestmark = pytest.mark.slow

CONTROL_FLOW = {"If", "Loop", "Scan"}
FLOAT32_LAYERS = ("head.output_conv.4.",)
# Of images and flow, of the softmax of the fusion, and four for each of the four samplings.
OTHER_CASTS = 2 + 2 + 4 * 4
COORDINATE_CASTS = 8
TYPES = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}


def test_is_valid_and_keeps_strict_shapes(exported: Exported) -> None:
    model = exported.onnx
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    volume = next(
        value for value in inferred.graph.value_info if value.name == operator_nodes(model)[0].output[0]
    )
    assert axes(volume)[1] == 81


def test_names_types_and_axes_of_inputs_and_output(exported: Exported) -> None:
    graph = exported.onnx.graph
    batch, height, width = ("batch", "height", "width") if exported.dynamic else STATIC_SHAPE
    assert {value.name: axes(value) for value in graph.input} == {
        "image1": [batch, 3, height, width],
        "image2": [batch, 3, height, width],
    }
    assert {value.name: axes(value) for value in graph.output} == {"flow": [batch, 2, height, width]}
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT


def test_says_of_scores_that_the_softmax_keeps_their_shape(exported: Exported) -> None:
    # ONNX Runtime then needs one place for both, which decides how much memory large frames take.
    graph = exported.onnx.graph
    shapes = {value.name: axes(value) for value in graph.value_info}
    softmax = [node for node in graph.node if node.op_type == "Softmax"]
    assert len(shapes) == 2 * len(softmax) == 2 * exported.model.backbone.config.depth
    for node in softmax:
        images, _, rows, columns = shapes[node.input[0]]
        assert shapes[node.output[0]] == shapes[node.input[0]]
        assert rows == columns
        batch, height, width = STATIC_SHAPE
        tokens = height // 16 * width // 16 + 5
        assert (images, rows) == (("images", "tokens") if exported.dynamic else (2 * batch, tokens))


def test_holds_no_control_flow_no_batch_norm_and_no_foreign_operator(exported: Exported) -> None:
    model = exported.onnx
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    assert not CONTROL_FLOW & {node.op_type for node in nodes}
    assert "BatchNormalization" not in {node.op_type for node in nodes}
    assert {node.domain for node in nodes} == {"", "dinoflow"}
    assert {entry.domain: entry.version for entry in model.opset_import} == {
        "": 22 if exported.precision == "bf16" else 20,
        "dinoflow": 1,
    }


def test_calls_the_operator_once_with_every_attribute(exported: Exported) -> None:
    model = exported.onnx
    (node,) = operator_nodes(model)
    attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    # What the kernels compute from the features' channels.
    width = exported.model.config.head_config.width
    assert attributes.pop("scale") == pytest.approx(width**-0.5, rel=1e-7)
    assert attributes == {"radius": 4, "plugin_namespace": b"dinoflow", "plugin_version": b"1"}
    (function,) = model.functions
    assert (function.domain, function.name) == (node.domain, node.op_type) == ("dinoflow", "LocalCorrelation")
    assert list(function.attribute) == [item.name for item in node.attribute] == list(OPERATOR_ATTRIBUTES)


def test_weights_have_the_type_asked_for(exported: Exported) -> None:
    wanted = TYPES[exported.precision]
    model = exported.onnx
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "MatMul", "LayerNormalization")]
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    used = [
        (node, name) for node in layers for name in node.input[1:] if name in weights and weights[name].dims
    ]
    assert len(used) > 60
    for _, name in used:
        expected = TensorProto.FLOAT if name.startswith(FLOAT32_LAYERS) else wanted
        assert weights[name].data_type == expected, name


def test_nothing_is_computed_from_constants_alone(exported: Exported) -> None:
    graph = exported.onnx.graph
    constants = {tensor.name for tensor in graph.initializer} | {""}
    folded = [node.name for node in graph.node if set(node.input) <= constants]
    assert folded == []
    assert {name for node in graph.node for name in node.input} >= constants - {""}


def test_half_the_precision_is_half_the_size(exported: Exported, get_export) -> None:  # type: ignore[no-untyped-def]
    whole = get_export(exported.name, "fp32", exported.dynamic).path.stat().st_size
    share = exported.path.stat().st_size / whole
    assert share == 1 if exported.precision == "fp32" else 0.49 < share < 0.56


def test_casts_stand_at_the_borders_of_the_float32_islands_alone(exported: Exported) -> None:
    """Into and out of each rotary embedding, each sampling and the last convolution, and none besides."""
    depth = exported.model.config.backbone_config.depth
    counted = Counter(
        node.name.rpartition(".")[0]
        for node in exported.onnx.graph.node
        if node.op_type == "Cast" and helper.get_node_attr_value(node, "to") in TYPES.values()
    )
    # With dynamic shapes also from cell numbers to coordinates.
    coordinates = COORDINATE_CASTS if exported.dynamic else 0
    if exported.precision == "fp32":
        assert sum(counted.values()) == coordinates
        return
    attention = {name: count for name, count in counted.items() if name.endswith("attention")}
    assert attention == {f"backbone.blocks.{block}.attention": 4 for block in range(depth)}
    assert sum(counted.values()) == OTHER_CASTS + 4 * depth + coordinates


def test_attention_and_layer_norm_have_the_form_that_tensorrt_fuses(exported: Exported) -> None:
    """Q and K each scaled before their product, a softmax, a product; a layer norm is one node."""
    nodes = exported.onnx.graph.node
    made_by = {output: node for node in nodes for output in node.output}
    counts = Counter(node.op_type for node in nodes)
    depth = exported.model.config.backbone_config.depth
    assert counts["LayerNormalization"] == 2 * depth
    assert not {"Attention", "Pow", "ReduceMean", "Sqrt"} & counts.keys()
    softmaxes = [node for node in nodes if node.op_type == "Softmax" and ".attention." in node.name]
    assert len(softmaxes) == depth
    for softmax in softmaxes:
        scores = made_by[softmax.input[0]]
        query, key = (made_by[name] for name in scores.input)
        assert (scores.op_type, query.op_type, key.op_type) == ("MatMul", "Mul", "Transpose")
        assert made_by[key.input[0]].op_type == "Mul"
        (mixing,) = (node for node in nodes if softmax.output[0] in node.input)
        assert mixing.op_type == "MatMul"


def test_nodes_are_named_after_the_modules_they_come_from(exported: Exported) -> None:
    names = [node.name for node in exported.onnx.graph.node]
    assert len(set(names)) == len(names)
    assert "backbone.blocks.0.attention.Softmax_0" in names
    assert "head.upsample_2.dysample2.0.GridSample_0" in names


def test_says_nothing_of_the_machine_that_made_it(exported: Exported) -> None:
    model = exported.onnx
    names = {"dinoflow-deploy", dinoflow_deploy.__version__}
    assert {model.producer_name, model.producer_version} == names
    private = re.compile(r"[/\\]|site-packages|Traceback|File \"|\.py\b")
    assert [text for text in texts(model) if private.search(text)] == []
    content = exported.path.read_bytes() + (exported.folder / "manifest.json").read_bytes()
    for path in (
        Path.home(),
        Path(dinoflow_deploy.__file__).parent.parent,
        Path(onnx.__file__).parent.parent,
    ):
        assert str(path).encode() not in content


@pytest.mark.parametrize("opset", [20, 21, 22])
def test_the_function_takes_the_opset_of_its_model(opset: int) -> None:
    from dinoflow_deploy.export.graph.operator import operator_function

    (entry,) = operator_function(opset).opset_import
    assert (entry.domain, entry.version) == ("", opset)


def axes(value: onnx.ValueInfoProto) -> list[str | int]:
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


def texts(message: Message) -> Iterator[str]:
    """Every string in a message, weights aside."""
    for field, value in message.ListFields():
        items = value if field.is_repeated else [value]
        for item in items:
            if isinstance(item, Message):
                yield from texts(item)
            elif isinstance(item, str):
                yield item
            elif isinstance(item, bytes) and field.name != "raw_data":
                yield item.decode(errors="replace")


def test_constants_shared_by_many_nodes_are_stored_once(nano: Exported) -> None:
    small = [tensor for tensor in nano.onnx.graph.initializer if 0 < numpy_helper.to_array(tensor).size <= 4]
    contents = [(tensor.data_type, tuple(tensor.dims), tensor.raw_data) for tensor in small]
    assert len(set(contents)) == len(contents)
