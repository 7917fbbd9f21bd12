"""From a model to the program that is compiled."""

import torch
from torch.export import Dim, ExportedProgram

from dinoflow_deploy.bundles.input_range import STRIDE, AxisRange, InputRange
from dinoflow_deploy.engines.pytorch.module_engine import TYPES
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.lowering import prepare_module
from dinoflow_deploy.train.model import FlowModel


def program_of(model: FlowModel, precision: str, inputs: InputRange, device: str) -> ExportedProgram:
    """A model as a program of ``torch.export``: the module that the ONNX file is of, its weights in NHWC.

    Args:
        model: Left as it is.
        precision: ``"fp32"``, ``"fp16"`` or ``"bf16"``.
        inputs: Shapes to take; axes of one length become constants.
        device: ``"cuda"`` or ``"cpu"``.

    Raises:
        ExportError: torch cannot export the model for these shapes.
    """
    lowered = prepare_module(model, TYPES[precision]).to(device)
    lowered.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.zeros(2, *_example(inputs), device=device).unbind()
    try:
        with torch.no_grad():
            return torch.export.export(lowered, images, dynamic_shapes=(_axes(inputs),) * 2)
    except Exception as error:  # torch has many, some of them of its own
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ExportError(f"torch cannot export the model for {inputs}: {first}") from error


def _example(inputs: InputRange) -> tuple[int, int, int, int]:
    """The shape to trace with; a batch of one would be taken for a constant."""
    batch = inputs.batch.opt if inputs.batch.is_static else max(inputs.batch.opt, 2)
    return batch, 3, inputs.height.opt, inputs.width.opt


def _axes(inputs: InputRange) -> dict[int, Dim]:
    """The axes that are open: sides in patches of 16 px."""
    axes = {
        0: _open("batch", inputs.batch, 1),
        2: _open("rows", inputs.height, STRIDE),
        3: _open("columns", inputs.width, STRIDE),
    }
    return {axis: dim for axis, dim in axes.items() if dim is not None}


def _open(name: str, axis: AxisRange, unit: int) -> Dim | None:
    if axis.is_static:
        return None
    assert axis.max is not None, "an artefact's range has an end"
    dim = Dim(name, min=axis.min // unit, max=axis.max // unit)
    return dim if unit == 1 else unit * dim
