"""The files beside an ONNX model that hold its large tensors. This module needs ``onnx``."""

from collections.abc import Iterator
from math import prod
from os.path import realpath
from pathlib import Path

from onnx import GraphProto, ModelProto, TensorProto
from onnx.external_data_helper import uses_external_data

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.inspection.element_types import bytes_of
from dinoflow_deploy.inspection.onnx_walk import all_graphs, element_type, named_tensors, text


def external_files(model: ModelProto) -> tuple[str, ...]:
    """The files that hold tensors of a model, as it names them."""
    return tuple(sorted({_stated(tensor).get("location", "") for tensor in external_tensors(model.graph)}))


def external_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """The tensors of a graph, its branches and its loops that lie in such files."""
    for each in all_graphs(graph):
        for _, tensor in named_tensors(each):
            if uses_external_data(tensor):
                yield tensor


def without_external(model: ModelProto) -> ModelProto:
    """A copy in which these tensors hold nothing: what else is in the model can then be checked."""
    copy = ModelProto()
    copy.CopyFrom(model)
    for tensor in external_tensors(copy.graph):
        tensor.dims[:] = [0]
        tensor.ClearField("external_data")
        tensor.data_location = TensorProto.DEFAULT
    return copy


def read_external(tensor: TensorProto, model_path: Path, *, values: bool) -> None:
    """Check that the values of such a tensor are there; take them into the model where that is wanted.

    Raises:
        FileFormatError: Their file is missing, lies outside the model's folder, or does not hold them all.
    """
    stated = _stated(tensor)
    path = _locate(model_path, stated.get("location", ""))
    needed = bytes_of(element_type(tensor.data_type), prod(tensor.dims))
    try:
        start = int(stated.get("offset", 0))
        held = min(path.stat().st_size - start, int(stated.get("length", needed)))
    except ValueError as error:
        raise FileFormatError(f"{model_path} is damaged: tensor {text(tensor.name)}: {error}") from error
    if start < 0 or held < needed:
        raise FileFormatError(
            f"{model_path} is damaged, or {path}: the tensor {text(tensor.name)} needs {needed} bytes from "
            f"{start} on, not {held}: copy both again"
        )
    if values:
        with path.open("rb") as file:
            file.seek(start)
            tensor.raw_data = file.read(needed)
        tensor.data_location = TensorProto.DEFAULT


def _stated(tensor: TensorProto) -> dict[str, str]:
    return {text(entry.key): text(entry.value) for entry in tensor.external_data}


def _locate(model_path: Path, location: str) -> Path:
    """Find the file of such a tensor, as ONNX Runtime does from version 1.24.2 on.

    It may lie in the model's folder or below. Where the model is a link, as in a hub's cache, it may also lie
    in, or be a link into, the folder that the model really lies in.
    """
    path = model_path.parent / location
    if not location:
        raise FileFormatError(f"{model_path} is damaged: it does not say in which file a tensor of it lies")
    homes = (Path(realpath(model_path.parent)), Path(realpath(model_path)).parent)
    inside = any(Path(realpath(path)).is_relative_to(home) for home in homes)
    if Path(location).is_absolute() or not inside:
        raise FileFormatError(
            f"{model_path} keeps weights in {location}, outside its folder, where ONNX Runtime reads none: "
            "put the file itself, not a link, into that folder, or export again"
        )
    if not path.is_file():
        raise FileFormatError(
            f"{model_path} keeps weights in {location}, which is missing: copy that file too, to {path}, "
            "or export again"
        )
    return path
