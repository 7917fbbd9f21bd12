"""The parser's errors: from TensorRT-RTX's real one, and from the model, which is held to it so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.tensorrt.network import is_dynamic, layer_types, parse_onnx
from dinoflow_deploy.tensorrt.log import Messages, log_of, meaningful
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT

Parse = Callable[[Path], Any]


@pytest.fixture(params=["real", "modelled"])
def trt(request: pytest.FixtureRequest) -> Any:
    if request.param == "real":
        return pytest.importorskip("tensorrt_rtx_bindings")
    return TensorRT(Machine())


@pytest.fixture
def parse(trt: Any) -> Parse:
    log = log_of(trt)
    builder = trt.Builder(log.logger)
    kept = [builder]

    def run(path: Path) -> Any:
        network, parser = parse_onnx(path, builder, trt, log, 0)
        kept.append(parser)
        return network

    return run


def write(path: Path, nodes: list[onnx.NodeProto], types: dict[str, int], functions: Any = ()) -> Path:
    shape = ("batch", 4)
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind in types.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, functions=list(functions))
    path.write_bytes(model.SerializeToString())
    return path


MIXED = {"a": TensorProto.FLOAT, "b": TensorProto.FLOAT16}


def test_a_refused_node_is_named_with_the_reason(trt: Any, parse: Parse, tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", [helper.make_node("Add", ["a", "b"], ["y"], name="mixed_add")], MIXED)
    with pytest.raises(ExportError) as caught:
        parse(path)
    message = str(caught.value)
    assert message.startswith(f"TensorRT {trt.__version__} cannot read m.onnx: node 'mixed_add' (Add): ")
    assert "must have same input types. But they are of types Float and Half" in message
    assert "\n" not in message
    # That there is no GPU here has nothing to do with it.
    assert "CUDA driver" not in message


def test_the_function_around_a_refused_node_is_named_too(parse: Parse, tmp_path: Path) -> None:
    body = [helper.make_node("Add", ["p", "q"], ["r"], name="inner_add")]
    function = helper.make_function("own", "Outer", ["p", "q"], ["r"], body, [helper.make_opsetid("", 20)])
    call = helper.make_node("Outer", ["a", "b"], ["y"], name="outer", domain="own")
    with pytest.raises(ExportError, match=r"node '.*inner_add' \(Add\) in function .*outer"):
        parse(write(tmp_path / "m.onnx", [call], MIXED, [function]))


def test_an_unknown_operator_is_named(parse: Parse, tmp_path: Path) -> None:
    node = helper.make_node("NoSuch", ["a"], ["y"], name="strange", domain="own")
    with pytest.raises(ExportError, match=r"node 'strange' \(NoSuch\): .*[Pp]lugin not found"):
        parse(write(tmp_path / "m.onnx", [node], {"a": TensorProto.FLOAT}))


def test_every_unknown_operator_is_named_and_the_first_node_with_wrong_types(
    trt: Any, tmp_path: Path
) -> None:
    """As much as the parser tells at once."""
    unknown = [
        helper.make_node(f"No{n}", ["a"], [f"y{n}"], name=f"strange{n}", domain="own") for n in range(3)
    ]
    mixed = [helper.make_node("Add", ["a", "b"], [f"y{n}"], name=f"mixed{n}") for n in range(2)]
    for nodes, told in ((unknown, [(0, "No0"), (1, "No1"), (2, "No2")]), (mixed, [(0, "Add")])):
        log = log_of(trt)
        builder = trt.Builder(log.logger)
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, log.logger)
        assert not parser.parse(write(tmp_path / "m.onnx", nodes, MIXED).read_bytes())
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        assert [(each.node(), each.node_operator()) for each in errors] == told
        assert all(each.local_function_stack() == [] for each in errors)


def test_a_damaged_file_is_said_to_be_one(parse: Parse, nano_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes((nano_bundle / "model.onnx").read_bytes()[:10_000])
    with pytest.raises(ExportError, match=r"cannot read cut\.onnx: .*Failed to parse the ONNX model"):
        parse(path)


def test_layers_are_counted_by_type(parse: Parse, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["b"], ["half"]),
        helper.make_node("Relu", ["half"], ["half2"]),
        helper.make_node("Cast", ["half2"], ["single"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["single", "a"], ["y"]),
    ]
    network = parse(write(tmp_path / "m.onnx", nodes, MIXED))
    counts = layer_types(network)
    assert counts["fp16"] == 2
    assert counts["fp32"] >= 2
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert sum(counts.values()) == network.num_layers
    assert is_dynamic(network)


def test_a_log_collects_for_everyone_who_listens_and_each_text_once(trt: Any) -> None:
    log = log_of(trt)
    assert log_of(trt) is log
    with log.listen() as outer:
        log.logger.log(trt.ILogger.WARNING, "slow")
        with log.listen() as inner:
            for _ in range(2):
                log.logger.log(trt.ILogger.ERROR, "bad")
            log.logger.log(trt.ILogger.INFO, "by the way")
        log.logger.log(trt.ILogger.ERROR, "worse\nmuch")
    log.logger.log(trt.ILogger.ERROR, "nobody listens")
    assert (inner.errors, inner.warnings) == (["bad"], [])
    assert (outer.errors, outer.warnings) == (["bad", "worse\nmuch"], ["slow"])
    assert outer.why() == "bad; worse; much"
    assert Messages().why() == "it gives no reason"


def test_that_there_is_no_gpu_is_said_only_where_nothing_else_is() -> None:
    remark = "cudaError 35: CUDA driver version is insufficient for CUDA runtime version"
    assert meaningful(f"types differ\n{remark}") == "types differ"
    assert meaningful(remark) == remark
