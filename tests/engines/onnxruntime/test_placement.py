"""What a session computes outside its provider, told from what it is: all on the CPU, asked for on CUDA."""

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, inliner

from dinoflow_deploy.engines.onnxruntime import packages as onnx_packages
from dinoflow_deploy.engines.onnxruntime.placement import nodes_elsewhere
from dinoflow_deploy.engines.onnxruntime.providers import CPU, CUDA
from dinoflow_deploy.engines.onnxruntime.shape_arithmetic import shape_arithmetic
from dinoflow_deploy.errors import MissingPackageError
from dinoflow_deploy.models.builtin import builtin_models
from tests.export.old_operator import with_old_operator

NANO = builtin_models()["nano"].bundle / "model.onnx"
IMAGE = ["batch", 3, "height", "width"]


class Assigned:
    """A session that says which nodes it computes on the CPU; of others it says CUDA."""

    def __init__(self, *on_cpu: tuple[str, str]) -> None:
        nodes = [SimpleNamespace(op_type=operator, name=name) for operator, name in on_cpu]
        conv = SimpleNamespace(op_type="Conv", name="elsewhere")
        self._subgraphs = [
            SimpleNamespace(ep_name=CPU, get_nodes=lambda: nodes),
            SimpleNamespace(ep_name=CUDA, get_nodes=lambda: [conv]),
        ]

    def get_provider_graph_assignment_info(self) -> list[Any]:
        return self._subgraphs


def test_the_scalar_that_once_kept_cuda_from_starting(tmp_path: Path) -> None:
    """Of older bundles ONNX Runtime 1.31.1 on an H200 left ``Pow ''``, which is 1 / sqrt(C), on the CPU."""
    onnx.save(with_old_operator(onnx.load(NANO)), tmp_path / "old.onnx")
    assert nodes_elsewhere(Assigned(("Pow", "")), CUDA, tmp_path / "old.onnx") == []
    # The same name and another operator of the body: the products of all features.
    assert nodes_elsewhere(Assigned(("MatMul", "")), CUDA, tmp_path / "old.onnx") == ["MatMul ''"]


def test_work_on_images_is_refused(tmp_path: Path) -> None:
    """Each of them on the CPU; by their operators most could be arithmetic on shapes."""
    constants = {"starts": [0], "ends": [8], "axis": [2], "first": 0, "half": [1, 3, 8, 8], "axes": [1, 2, 3]}
    path = save(
        tmp_path,
        [
            helper.make_node("Conv", ["image", "kernel"], ["convolved"], "convolution"),
            helper.make_node("Add", ["image", "convolved"], ["sum"], "sum of images"),
            helper.make_node("Cast", ["sum"], ["cast"], "cast of an image", to=TensorProto.FLOAT16),
            helper.make_node("Slice", ["image", "starts", "ends", "axis"], ["part"], "part of an image"),
            helper.make_node("Gather", ["image", "first"], ["one"], "one image", axis=0),
            helper.make_node("Resize", ["image", "", "", "half"], ["resized"], "resized image"),
            # Few numbers, for which a whole image is read, and what is made of them.
            helper.make_node("ReduceMean", ["image", "axes"], ["means"], "mean of an image", keepdims=0),
            helper.make_node("ReduceMax", ["means"], ["largest"], "largest of few", keepdims=0),
            helper.make_node("Mul", ["largest", "two"], ["doubled"], "a scalar that waits for images"),
        ],
        ["cast", "part", "one", "resized", "doubled"],
        kernel=np.ones((3, 3, 1, 1), np.float32),
        two=np.float32(2),
        **{name: np.array(value, np.int64) for name, value in constants.items()},
    )
    assert set(left_of(path)) == {f"{node.op_type} '{node.name}'" for node in onnx.load(path).graph.node}


def test_arithmetic_on_shapes_is_not(tmp_path: Path) -> None:
    """Whatever its operators and types: lengths, an index, and a scalar that scales an image."""
    path = save(
        tmp_path,
        [
            helper.make_node("Shape", ["image"], ["shape"], "shape"),
            helper.make_node("Gather", ["shape", "three"], ["width"], "width"),
            helper.make_node("Cast", ["width"], ["real"], "width as float", to=TensorProto.FLOAT),
            helper.make_node("Pow", ["real", "exponent"], ["scale"], "power"),
            helper.make_node("Sqrt", ["scale"], ["root"], "root"),
            helper.make_node("Mul", ["image", "root"], ["scaled"], "scaled image"),
            helper.make_node("Slice", ["shape", "zero", "two", "zero"], ["start"], "start of the shape"),
            helper.make_node("Concat", ["start", "rest"], ["flat"], "new shape", axis=0),
            helper.make_node("Reshape", ["scaled", "flat"], ["result"], "reshaped image"),
            helper.make_node("Mod", ["width", "seven"], ["index"], "index"),
            helper.make_node("Gather", ["result", "index"], ["picked"], "picked column", axis=2),
        ],
        ["picked"],
        exponent=np.float32(-0.5),
        three=np.int64(3),
        seven=np.int64(7),
        zero=np.array([0], np.int64),
        two=np.array([2], np.int64),
        rest=np.array([-1], np.int64),
    )
    assert left_of(path) == ["Mul 'scaled image'", "Reshape 'reshaped image'", "Gather 'picked column'"]


def test_a_grid_as_large_as_the_frame_is_refused(tmp_path: Path) -> None:
    """Though of shapes alone: it would be computed and copied for each frame, as would a column of it."""
    path = save(
        tmp_path,
        [
            helper.make_node("Shape", ["image"], ["rows"], "rows", start=2, end=3),
            helper.make_node("Shape", ["image"], ["shape"], "shape", start=2),
            helper.make_node("Squeeze", ["rows"], ["count"], "count"),
            helper.make_node("Range", ["zero", "count", "one"], ["numbers"], "row numbers"),
            helper.make_node("Unsqueeze", ["numbers", "one_axis"], ["column"], "column"),
            helper.make_node("Expand", ["column", "shape"], ["grid"], "grid"),
            helper.make_node("ReduceSum", ["grid"], ["total"], "total of a grid", keepdims=0),
        ],
        ["grid", "total"],
        zero=np.int64(0),
        one=np.int64(1),
        one_axis=np.array([1], np.int64),
    )
    assert left_of(path) == [
        "Range 'row numbers'",
        "Unsqueeze 'column'",
        "Expand 'grid'",
        "ReduceSum 'total of a grid'",
    ]


@pytest.mark.parametrize("name", ["", "both"])
def test_of_nodes_that_share_a_name_none_is_let_pass_where_one_is_refused(name: str, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Shape", ["image"], ["shape"], "shape"),
        helper.make_node("Add", ["shape", "shape"], ["twice"], name),
        helper.make_node("Add", ["image", "image"], ["sum"], name),
    ]
    for order in (nodes, [nodes[2], *nodes[:2]]):
        path = save(tmp_path, order, ["twice", "sum"])
        assert shape_arithmetic(path) == {("Shape", "shape")}
        assert nodes_elsewhere(Assigned(("Add", name)), CUDA, path) == [f"Add '{name}'"]


def test_what_a_branch_reads_from_outside_counts(tmp_path: Path) -> None:
    """An image that stands in the branch alone, not among the node's inputs."""
    mean = helper.make_node("ReduceMean", ["image"], ["mean"], "mean", keepdims=0)
    branch = helper.make_graph(
        [mean], "branch", [], [helper.make_tensor_value_info("mean", TensorProto.FLOAT, [])]
    )
    nodes = [
        helper.make_node("Shape", ["image"], ["rows"], "rows", start=2, end=3),
        helper.make_node("Cast", ["rows"], ["any"], "any", to=TensorProto.BOOL),
        helper.make_node("If", ["any"], ["result"], "either", then_branch=branch, else_branch=branch),
    ]
    found = left_of(save(tmp_path, nodes, ["result"]))
    assert sorted(found) == ["If 'either'", "ReduceMean 'mean'", "ReduceMean 'mean'"]


def test_a_node_that_the_file_does_not_hold_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, [helper.make_node("Relu", ["image"], ["out"], "rectified")], ["out"])
    assert nodes_elsewhere(Assigned(("Relu", "made by an optimiser")), CUDA, path) != []


def test_shapes_kept_in_a_file_of_their_own_are_read(tmp_path: Path) -> None:
    model = model_of(
        [
            helper.make_node("Shape", ["image"], ["shape"], "shape"),
            helper.make_node("Gather", ["shape", "indices"], ["picked"], "picked"),
            helper.make_node("Reshape", ["picked", "square"], ["table"], "table"),
            helper.make_node("Add", ["table", "large"], ["sum"], "sum"),
        ],
        ["sum"],
        indices=np.array([0, 1, 2, 3], np.int64),
        square=np.array([2, -1], np.int64),
        large=np.zeros((60, 2, 2), np.int64),
    )
    path = tmp_path / "external.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights", size_threshold=0)
    assert shape_arithmetic(path) == {("Shape", "shape"), ("Gather", "picked"), ("Reshape", "table")}


def test_what_is_let_pass_in_the_builtin_model_is_few_numbers_that_no_image_changes() -> None:
    """Told from values: every node's, at two sizes and for two pairs of images."""
    inlined = inliner.inline_local_functions(onnx.load(NANO))
    # As onnx.inliner names what stood in the function, and not as ONNX Runtime does.
    harmless = {
        (operator, name.removeprefix("_inlfunc_LocalCorrelation_"))
        for operator, name in shape_arithmetic(NANO)
    }
    passed = [
        node.output[0]
        for node in inlined.graph.node
        if (node.op_type, node.name.removesuffix("__1")) in harmless
    ]
    assert len(passed) == len(harmless) > 60
    inlined.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in passed)
    session = onnxruntime.InferenceSession(inlined.SerializeToString(), quiet())
    generator = np.random.default_rng(0)
    sizes = {}
    for size in ((64, 80), (96, 64)):
        first, second = (
            session.run(passed, {name: images(generator, size) for name in ("image1", "image2")})
            for _ in range(2)
        )
        for name, one, other in zip(passed, first, second, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)
            assert one.size <= 100, name
            assert sizes.setdefault(name, one.size) == one.size, name


def test_everything_else_in_the_builtin_model_is_refused() -> None:
    session = record(NANO)
    refused = nodes_elsewhere(session, CUDA, NANO)
    assert sum(text.startswith("Conv ") for text in refused) == 21
    assert "Mul '_inlfunc_LocalCorrelation_scaled'" in refused
    assert "Sin 'backbone.rotary.Sin_0'" in refused
    assert nodes_elsewhere(session, CPU, NANO) == []


def test_without_onnx_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_packages, "is_installed", lambda name: False)
    assert nodes_elsewhere(Assigned(), CUDA, tmp_path / "not looked at") == []
    with pytest.raises(MissingPackageError, match=f"computed outside {CUDA} needs the package 'onnx'.*pip"):
        nodes_elsewhere(Assigned(("Pow", "")), CUDA, tmp_path / "not looked at")


def images(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return generator.random((1, 3, *size), dtype=np.float32)


def left_of(path: Path) -> list[str]:
    """What is left to complain of if all of a file is on the CPU and should be on CUDA."""
    return nodes_elsewhere(record(path), CUDA, path)


def record(path: Path) -> Any:
    options = quiet()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=[CPU])


def quiet() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return options


def save(
    folder: Path, nodes: Iterable[NodeProto], outputs: list[str], **constants: np.ndarray | np.generic
) -> Path:
    path = folder / "model.onnx"
    onnx.save(model_of(nodes, outputs, **constants), path)
    return path


def model_of(
    nodes: Iterable[NodeProto], outputs: list[str], **constants: np.ndarray | np.generic
) -> ModelProto:
    """A model that takes one image; the types of its outputs are inferred."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, IMAGE)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
