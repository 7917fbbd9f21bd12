"""Weights in files beside a model: inspected wherever ONNX Runtime reads them."""

import os
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.inspection import inspect_artifact
from tests.inspection.test_onnx_graph import runtime_reads

VALUES = 2000


def write_model(path: Path, locations: Sequence[str]) -> Path:
    """A model that adds one tensor from each file to its input."""
    names = ["x", *(f"y{number}" for number in range(len(locations)))]
    weights = []
    for number, location in enumerate(locations):
        weight = TensorProto(name=f"w{number}", data_type=TensorProto.FLOAT, dims=[VALUES])
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=location)
        weights.append(weight)
    nodes = [
        helper.make_node("Add", [names[number], f"w{number}"], [names[number + 1]])
        for number in range(len(locations))
    ]
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [VALUES]) for name in (names[0], names[-1])
    )
    graph = helper.make_graph(nodes, "external", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def write_data(path: Path, size: int = 4 * VALUES) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))


def hub_cache(folder: Path, name: str, locations: Sequence[str]) -> Path:
    """As ``huggingface_hub`` keeps it: a snapshot of links to files that are named by their content."""
    path = folder / "snapshots" / "c0ffee" / name
    for number, location in enumerate((path.name, *locations)):
        link, blob = path.parent / location, folder / "blobs" / f"{number:064x}"
        write_data(blob)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    write_model(folder / "blobs" / f"{0:064x}", locations)
    return path


def plain(folder: Path, locations: Sequence[str]) -> Path:
    for location in locations:
        write_data(folder / location)
    return write_model(folder / "model.onnx", locations)


def linked(folder: Path, *, to: str) -> Path:
    write_data(folder / to)
    (folder / "home").mkdir(exist_ok=True)
    (folder / "home" / "m.data").symlink_to(os.path.relpath(folder / to, folder / "home"))
    return write_model(folder / "home" / "model.onnx", ["m.data"])


def hard_linked(folder: Path) -> Path:
    write_data(folder / "other.data")
    os.link(folder / "other.data", folder / "m.data")
    return write_model(folder / "model.onnx", ["m.data"])


def linked_folder(folder: Path) -> Path:
    plain(folder / "real", ["m.data"])
    (folder / "link").symlink_to("real")
    return folder / "link" / "model.onnx"


READ = {
    "beside": lambda folder: plain(folder, ["m.data"]),
    "./": lambda folder: plain(folder, ["./m.data"]),
    "below": lambda folder: plain(folder, ["weights/m.data"]),
    "down and up": lambda folder: plain(folder, ["weights/a.data", "weights/../m.data"]),
    "several": lambda folder: plain(folder, ["a.data", "b.data", "a.data"]),
    "hub cache": lambda folder: hub_cache(folder, "model.onnx", ["model.onnx_data"]),
    "hub cache, folder": lambda folder: hub_cache(folder, "onnx/model.onnx", ["model.onnx_data"]),
    "hub cache, several": lambda folder: hub_cache(folder, "model.onnx", ["a", "below/b"]),
    "link within": lambda folder: linked(folder, to="home/real.data"),
    "hard link": hard_linked,
    "linked folder": linked_folder,
}


@pytest.mark.parametrize("layout", READ)
def test_inspected_where_onnx_runtime_reads(layout: str, tmp_path: Path) -> None:
    path = READ[layout](tmp_path)
    assert runtime_reads(path)
    report = inspect_artifact(path)
    assert report.graph is not None
    assert report.graph.objection is None
    (weights,) = report.graph.weights
    count = len(onnx.load(path, load_external_data=False).graph.initializer)
    assert weights.bytes == count * 4 * VALUES
    assert report.bytes == path.stat().st_size + sum(
        (path.parent / name).stat().st_size for name in report.graph.external_files
    )


def outside(folder: Path) -> Path:
    write_data(folder / "m.data")
    return write_model(folder / "home" / "model.onnx", ["../m.data"])


def absolute(folder: Path) -> Path:
    write_data(folder / "m.data")
    return write_model(folder / "model.onnx", [str(folder / "m.data")])


def a_folder(folder: Path) -> Path:
    (folder / "m.data").mkdir()
    return write_model(folder / "model.onnx", ["m.data"])


def cut_off(folder: Path) -> Path:
    write_data(folder / "m.data", 100)
    return write_model(folder / "model.onnx", ["m.data"])


def looping(folder: Path) -> Path:
    (folder / "m.data").symlink_to("m.data")
    return write_model(folder / "model.onnx", ["m.data"])


SINCE_1_24 = ("outside", "absolute", "link out")
REFUSED = {
    "outside": (outside, r"keeps weights in \.\./m\.data, outside its folder"),
    "absolute": (absolute, r"keeps weights in /.*m\.data, outside its folder"),
    "link out": (lambda folder: linked(folder, to="m.data"), r"keeps weights in m\.data, outside its folder"),
    "missing": (
        lambda folder: write_model(folder / "model.onnx", ["a/m.data"]),
        r"keeps weights in a/m\.data, which is missing: copy that file too, to .*a/m\.data, or export again",
    ),
    "a folder": (a_folder, r"keeps weights in m\.data, which is missing"),
    "loop": (looping, r"keeps weights in m\.data, which is missing"),
    "cut off": (cut_off, r"m\.data: the tensor w0 needs 8000 bytes from 0 on, not 100: copy both"),
    "not said": (lambda folder: write_model(folder / "model.onnx", [""]), "does not say in which file"),
}


@pytest.mark.parametrize("layout", REFUSED)
def test_refused_in_words_where_onnx_runtime_does_not_read(layout: str, tmp_path: Path) -> None:
    write, message = REFUSED[layout]
    path = write(tmp_path)
    with pytest.raises(FileFormatError, match=rf"model\.onnx .*{message}"):
        inspect_artifact(path)
    release = tuple(map(int, onnxruntime.__version__.split(".")[:2]))
    assert not runtime_reads(path) or (layout in SINCE_1_24 and release < (1, 24))
