"""From a PyTorch module to a raw ONNX graph."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import onnx_ir
import torch
from torch.export import Dim

from dinoflow_deploy.engines.input_range import STRIDE, AxisRange, InputRange
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.lowering import OnnxLowering

# Lengths to trace a dynamic axis at. A batch of one would be taken for a constant, and equal sides for one.
_BATCH, _HEIGHT, _WIDTH = 2, 6 * STRIDE, 10 * STRIDE


def trace(module: torch.nn.Module, inputs: InputRange, opset: int) -> onnx_ir.Model:
    """Trace a flow model for shapes in a range.

    Args:
        module: A ``FlowModel`` as ``prepare_module`` gives it.
        inputs: Shapes to take; axes of one length become constants.
        opset: ONNX opset.

    Returns:
        A graph with inputs ``image1`` and ``image2`` and output ``flow``, straight from the exporter.

    Raises:
        ExportError: torch cannot trace it, or has bound a dynamic axis to one length.
    """
    shape = (
        _traced(inputs.batch, _BATCH),
        3,
        _traced(inputs.height, _HEIGHT),
        _traced(inputs.width, _WIDTH),
    )
    axes = _dynamic_axes(inputs)
    image = torch.zeros(shape)
    try:
        with _quiet(), torch.no_grad(), OnnxLowering():
            program = torch.onnx.export(
                module,
                (image, image.clone()),
                dynamo=True,
                dynamic_shapes=(axes, axes),
                input_names=["image1", "image2"],
                output_names=["flow"],
                opset_version=opset,
                optimize=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        stop = _stop_behind(error)
        if stop is not None:
            raise stop from None
        raise ExportError(f"torch {torch.__version__} cannot trace the model: {error}") from error
    assert program is not None  # None is for the older exporter
    _check_axes(program.model, axes)
    return program.model


def _stop_behind(error: BaseException | None) -> BaseException | None:
    """The Ctrl-C or exit behind an error of the exporter: torch, stopped in an import, trips over itself."""
    while error is not None and isinstance(error, Exception):
        error = error.__cause__ or error.__context__
    return error


def _traced(axis: AxisRange, usual: int) -> int:
    """The usual length, or the nearest that the axis takes."""
    return min(max(usual, axis.min), axis.max or usual)


def _dynamic_axes(inputs: InputRange) -> dict[int, Any]:
    axes: dict[int, Any] = {}
    if not inputs.batch.is_static:
        axes[0] = Dim("batch", min=inputs.batch.min, max=inputs.batch.max)
    for index, (name, side) in zip((2, 3), inputs.sides.items(), strict=True):
        if not side.is_static:
            cells = Dim(f"{name}_cells", min=side.min // STRIDE, max=side.max and side.max // STRIDE)
            axes[index] = STRIDE * cells
    return axes


def _check_axes(model: onnx_ir.Model, axes: dict[int, Any]) -> None:
    # The exporter tries another way of tracing when the first fails, and that one may fix an axis in silence.
    for value in model.graph.inputs:
        fixed = [index for index in axes if value.shape is None or isinstance(value.shape[index], int)]
        if fixed:
            raise ExportError(
                f"torch {torch.__version__} has bound the dynamic axes {fixed} of {value.name} to one "
                "length: export with --size and --batch, or use the torch version of the package's tests"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on its own progress and on packages that it could use."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
