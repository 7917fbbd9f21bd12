"""What an export is asked for."""

import re
from dataclasses import dataclass
from typing import Any, Final

from dinoflow_deploy.bundles.input_range import MINIMUM_SIDE, AxisRange, InputRange
from dinoflow_deploy.bundles.manifest import PRECISIONS
from dinoflow_deploy.bundles.model_input import IMAGES, MODEL_INPUTS
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.option import Option, option, setting
from dinoflow_deploy.export.target import SharedOptions

OPSETS: Final = (20, 21, 22)
DEFAULT_OPSET: Final = 20
"""The oldest with GELU as one operator, so that the most runtimes read the file."""
_BF16_OPSET: Final = 22
"""The oldest whose convolution takes bfloat16."""

DYNAMIC: Final = "dynamic"
LARGEST_SIDE: Final = 2048
_SIDE: Final = AxisRange(MINIMUM_SIDE, 512, LARGEST_SIDE)
_BATCH: Final = AxisRange(1, 1, 16)
DYNAMIC_INPUTS: Final = InputRange(_BATCH, _SIDE, _SIDE)


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What to export a model as.

    Attributes:
        precision: ``"fp32"``, ``"fp16"`` or ``"bf16"``: type of the weights and of the computation. Float
            images and flow are float32 either way, and some parts stay float32, see
            ``export.graph.module_preparation``.
        inputs: Shapes that the exported model takes; an axis whose limits are equal is static in the graph.
        model_input: ``"images"``, float images in [0, 1]; or ``"frames"``, bytes, which the graph converts.
        opset: ONNX opset, 20 to 22; 0 is the oldest that does: 20, or 22 for bf16.
        plain: Write the local correlation's body into the graph itself, for runtimes that read no ONNX
            functions. A TensorRT plugin cannot take its place then.
        verify: Compare the export with PyTorch, and fail if the flow differs.
        overwrite: Replace an existing folder.
    """

    precision: str = option(
        "fp32", Option("--precision", "Type of weights and computation.", choices=PRECISIONS)
    )
    inputs: InputRange = setting(DYNAMIC_INPUTS)
    model_input: str = option(
        IMAGES.name,
        Option(
            "--input",
            "What the model takes: float images, or frames of bytes, which it converts itself.",
            choices=tuple(MODEL_INPUTS),
        ),
    )
    opset: int = option(
        0, Option("--opset", "ONNX opset, 20 to 22.", metavar="N", shown_default="20; bf16: 22")
    )
    plain: bool = option(
        False, Option("--plain", "Standard operators only, for runtimes that read no functions.")
    )
    verify: bool = setting(True, outside_key="comparing changes no byte of the file")
    overwrite: bool = setting(False, outside_key="what was there before changes no byte of the file")

    @classmethod
    def from_command(cls, shared: SharedOptions, own: dict[str, Any]) -> "ExportOptions":
        """As ``TargetOptions`` has it."""
        return cls(inputs=shared.inputs, verify=shared.verify, overwrite=shared.overwrite, **own)

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise InputError(f"the precision '{self.precision}' is not one of {', '.join(PRECISIONS)}")
        if self.model_input not in MODEL_INPUTS:
            raise InputError(f"the input '{self.model_input}' is not one of {', '.join(MODEL_INPUTS)}")
        if self.opset == 0:
            object.__setattr__(self, "opset", _BF16_OPSET if self.precision == "bf16" else DEFAULT_OPSET)
        if self.opset not in OPSETS:
            raise InputError(
                f"opset {self.opset} is outside {OPSETS[0]} to {OPSETS[-1]}: older ones lack GELU, and "
                "TensorRT refuses the attention operator of newer ones"
            )
        if self.precision == "bf16" and self.opset < _BF16_OPSET:
            raise InputError(
                f"opset {self.opset} has no bfloat16 convolution: bf16 needs opset {_BF16_OPSET}"
            )
        for name, side in self.inputs.sides.items():
            if side.min < MINIMUM_SIDE:
                raise InputError(f"a {name} of {side.min} px is below {MINIMUM_SIDE}: export a larger one")


def parse_inputs(size: str | None, batch: str) -> InputRange:
    """The shapes that ``--size`` and ``--batch`` stand for.

    Args:
        size: ``"HEIGHTxWIDTH"`` in pixels, each a multiple of 16; ``None`` for any from 64x64 to 2048x2048.
        batch: Pairs per call, or ``"dynamic"`` for 1 to 16.

    Raises:
        InputError: They are not written so, or a side is not a multiple of 16.
    """
    height = width = _SIDE
    if size is not None:
        match = re.fullmatch(r"(\d+)x(\d+)", size)
        if match is None:
            raise InputError(f"the size '{size}' is not written HEIGHTxWIDTH, for instance 448x1024")
        height, width = AxisRange.fixed(int(match[1])), AxisRange.fixed(int(match[2]))
    if batch == DYNAMIC:
        return InputRange(_BATCH, height, width)
    if not batch.isdecimal() or int(batch) < 1:
        raise InputError(f"the batch '{batch}' is neither a number from 1 up nor '{DYNAMIC}'")
    return InputRange(AxisRange.fixed(int(batch)), height, width)
