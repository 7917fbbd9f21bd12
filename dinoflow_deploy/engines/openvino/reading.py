"""From an ONNX file to a model of OpenVINO."""

from pathlib import Path
from typing import Any

import openvino

from dinoflow_deploy.engines.onnx_source import one_line
from dinoflow_deploy.engines.openvino.devices import RELEASE, core
from dinoflow_deploy.errors import EngineError, FileFormatError
from dinoflow_deploy.system.optional import require


def read_model(path: Path) -> tuple[Any, bool]:
    """Read an ONNX file, with the bodies of its functions, which OpenVINO reads none of, in place of calls.

    Args:
        path: The file.

    Returns:
        model: ``openvino.Model``.
        is_whole: Whether it was read from this file alone, and no weights from files beside it.

    Raises:
        FileFormatError: The file is damaged, or its weights are missing.
        EngineError: It is in bfloat16, or OpenVINO does not take it.
        MissingPackageError: The package onnx is not installed.
    """
    require("onnx", "reading a model for OpenVINO", extra="openvino")
    content, is_whole = _inlined(path)
    try:
        model = core().read_model(content)
    except Exception as error:  # OpenVINO's own are RuntimeError, and have no class that says what is wrong
        raise EngineError(f"OpenVINO {RELEASE} cannot read {path}: {one_line(error)}") from error
    if _holds_bfloat16(model):
        raise EngineError(
            f"{path} is in bfloat16, whose every rounding OpenVINO does not keep: export the model as fp32 "
            "or fp16 (bfloat16 is for TensorRT)"
        )
    return model, is_whole


def _inlined(path: Path) -> tuple[bytes, bool]:
    import onnx
    from google.protobuf.message import DecodeError, EncodeError
    from onnx import external_data_helper, inliner

    try:
        model = onnx.load(path, load_external_data=False)
        is_whole = not any(map(external_data_helper.uses_external_data, model.graph.initializer))
        external_data_helper.load_external_data_for_model(model, str(path.parent))
        if not model.graph.node:
            raise FileFormatError(f"{path} is not a valid ONNX model: it holds no graph")
        return inliner.inline_local_functions(model).SerializeToString(), is_whole
    except EncodeError as error:
        raise EngineError(f"{path} with its weights is too large for OpenVINO: {one_line(error)}") from error
    except (DecodeError, onnx.checker.ValidationError, RuntimeError) as error:
        raise FileFormatError(f"{path} is not a valid ONNX model: {one_line(error)}") from error


def _holds_bfloat16(model: Any) -> bool:
    return any(
        output.get_element_type() == openvino.Type.bf16
        for node in model.get_ops()
        for output in node.outputs()
    )
