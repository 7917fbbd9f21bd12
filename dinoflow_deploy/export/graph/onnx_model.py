"""The exported model: PyTorch in, a checked ONNX model out."""

from typing import Final

import onnx
import onnx_ir
import torch
from onnx import ModelProto, inliner

from dinoflow_deploy.bundles.model_input import MODEL_INPUTS
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.graph.cleanup import clean
from dinoflow_deploy.export.graph.half_weights import store_halves
from dinoflow_deploy.export.graph.module_preparation import prepare_module
from dinoflow_deploy.export.graph.operator import attach_operator, operator_nodes
from dinoflow_deploy.export.graph.simplify import simplify
from dinoflow_deploy.export.graph.trace import trace
from dinoflow_deploy.export.options import ExportOptions
from dinoflow_deploy.progress import NoProgress, Progress
from dinoflow_deploy.train.model import FlowModel

_TYPES: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def export_onnx(model: FlowModel, options: ExportOptions, progress: Progress | None = None) -> ModelProto:
    """Export a model to ONNX, the same bytes for the same weights and options.

    Args:
        model: Left as it is.
        options: Precision, shapes, opset, and whether the local correlation is written inline.
        progress: Told of each stage.

    Returns:
        A model with inputs ``image1`` and ``image2``, ``float32 [batch, 3, height, width]`` in [0, 1], or
        ``frame1`` and ``frame2``, ``uint8 [batch, height, width, 3]``, and output ``flow``,
        ``float32 [batch, 2, height, width]`` in px.

    Raises:
        ExportError: The model cannot be traced.
    """
    progress = progress or NoProgress()
    progress.start("tracing the model", None, "")
    prepared = prepare_module(model, _TYPES[options.precision])
    graph = trace(prepared, options.inputs, options.opset, MODEL_INPUTS[options.model_input])
    progress.start("simplifying the graph", None, "")
    simplify(graph)
    exported = onnx_ir.to_proto(graph)
    if len(operator_nodes(exported)) != 1:
        raise ExportError(f"the graph has {len(operator_nodes(exported))} local correlations where 1 was due")
    attach_operator(exported)
    if options.plain:
        exported = inline_operator(exported)
    clean(exported)
    store_halves(exported)
    progress.start("checking the graph", None, "")
    onnx.checker.check_model(exported, full_check=True)
    progress.finish()
    return exported


def inline_operator(model: ModelProto) -> ModelProto:
    """The same model with the local correlation's body in the graph itself."""
    graph = onnx_ir.from_proto(inliner.inline_local_functions(model))
    simplify(graph)
    return onnx_ir.to_proto(graph)
