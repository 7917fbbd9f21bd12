"""From a model to the program that is compiled."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from dinoflow_deploy.bundles.input_range import STRIDE, AxisRange, InputRange
from dinoflow_deploy.bundles.model_input import FRAMES, IMAGES, MODEL_INPUTS, ModelInput
from dinoflow_deploy.engines.pytorch.module_engine import TYPES
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.kernels.replacement import use_kernels
from dinoflow_deploy.export.lowering import as_images, prepare_module
from dinoflow_deploy.train.model import FlowModel

_DTYPES: Final = {IMAGES: torch.float32, FRAMES: torch.uint8}


@dataclass(frozen=True, slots=True)
class Form:
    """What a program takes, and what it computes in and on.

    Attributes:
        precision: ``"fp32"``, ``"fp16"`` or ``"bf16"``.
        inputs: Shapes; axes of one length become constants.
        model_input: ``"images"`` or ``"frames"``, see ``bundles.model_input``.
        device: ``"cuda"`` or ``"cpu"``.
    """

    precision: str
    inputs: InputRange
    model_input: str
    device: str


def program_of(model: FlowModel, form: Form) -> ExportedProgram:
    """A model as a program of ``torch.export``: the module that the ONNX file is of, its weights in NHWC.

    For CUDA it samples and correlates by ``export.kernels``, which the package then carries.

    Args:
        model: Left as it is.
        form: Of the program.

    Raises:
        ExportError: torch cannot export the model for these shapes.
    """
    taken = MODEL_INPUTS[form.model_input]
    lowered = prepare_module(model, TYPES[form.precision]).to(form.device)
    lowered.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if form.device == "cuda":
        use_kernels(lowered)
    shape = taken.shape(*_example(form.inputs))
    pictures = torch.zeros(2, *shape, dtype=_DTYPES[taken], device=form.device).unbind()
    module = _OfFrames(lowered) if taken is FRAMES else lowered
    try:
        with torch.no_grad():
            return torch.export.export(module, pictures, dynamic_shapes=(_axes(form.inputs, taken),) * 2)
    except Exception as error:  # torch has many, some of them of its own
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ExportError(f"torch cannot export the model for {form.inputs}: {first}") from error


class _OfFrames(nn.Module):
    """A model that takes bytes."""

    def __init__(self, model: FlowModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, frame1: Tensor, frame2: Tensor) -> Tensor:
        flow: Tensor = self.model(as_images(frame1), as_images(frame2))
        return flow


def _example(inputs: InputRange) -> tuple[int, int, int]:
    """Batch, height and width to trace with; a batch of one would be taken for a constant."""
    batch = inputs.batch.opt if inputs.batch.is_static else max(inputs.batch.opt, 2)
    return batch, inputs.height.opt, inputs.width.opt


def _axes(inputs: InputRange, taken: ModelInput) -> dict[int, Dim]:
    """The axes that are open: sides in patches of 16 px."""
    lengths = (
        _open("batch", inputs.batch, 1),
        _open("rows", inputs.height, STRIDE),
        _open("columns", inputs.width, STRIDE),
    )
    return {axis: dim for axis, dim in zip(taken.axes, lengths, strict=True) if dim is not None}


def _open(name: str, axis: AxisRange, unit: int) -> Dim | None:
    if axis.is_static:
        return None
    assert axis.max is not None, "an artefact's range has an end"
    dim = Dim(name, min=axis.min // unit, max=axis.max // unit)
    return dim if unit == 1 else unit * dim
