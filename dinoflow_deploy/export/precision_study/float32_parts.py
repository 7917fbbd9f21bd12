"""The float32 parts of a low-precision export, and parts that could be, each switched the other way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from dinoflow_deploy.export.graph.attention import attention
from dinoflow_deploy.export.precision_study.blocks import wrap
from dinoflow_deploy.export.precision_study.function_replacement import Function, Replaced
from dinoflow_deploy.export.precision_study.rounding import cast
from dinoflow_deploy.train.model import FlowModel
from dinoflow_deploy.train.model.dysample import DySample

Change = Callable[[FlowModel, torch.dtype], None]
"""Changes what a model computes in, in place; the type is the low precision."""


@dataclass(frozen=True, slots=True)
class Island:
    """A part whose type is a choice of its own.

    Attributes:
        name: What a reader calls it.
        is_float32: Whether an export keeps it in float32.
        lower: Lets a float32 model compute this part alone in low precision.
        switch: Lets an exported model compute this part in the type that it does not have there.
    """

    name: str
    is_float32: bool
    lower: Change
    switch: Change


def _low_normalisation(model: FlowModel, dtype: torch.dtype) -> None:
    model.mean, model.std = model.mean.to(dtype), model.std.to(dtype)
    model.register_forward_pre_hook(lambda _, images: cast(images, dtype))


def _low_rotation(model: FlowModel, dtype: torch.dtype) -> None:
    # Computed in the angles' type: see ``backbone.rotate``.
    model.backbone.rotary.register_forward_hook(lambda *call: cast(call[-1], dtype))


def _low_positions(model: FlowModel, dtype: torch.dtype) -> None:
    sample = F.grid_sample

    def rounded(feature: Tensor, grid: Tensor, **settings: Any) -> Tensor:
        # Rounded once, after positions were computed in float32: less than low precision would do. What that
        # takes beyond the outer cells' middles would read zeros, which no clamped position does.
        return sample(feature, grid.to(dtype).to(grid.dtype), **settings | {"padding_mode": "border"})

    for name, module in list(model.named_modules()):
        if isinstance(module, DySample):
            wrap(model, name, lambda inner: within(Replaced({sample: rounded}), inner))


def _low_flow(model: FlowModel, dtype: torch.dtype) -> None:
    for parameter in model.head.output_conv[-1].parameters():
        parameter.data = parameter.data.to(dtype).float()
    model.register_forward_hook(lambda *call: call[-1].to(dtype).float())


def _attention_in(model: FlowModel, dtype: torch.dtype) -> None:
    def converted(*tokens: Tensor) -> Tensor:
        return attention(*cast(tokens, dtype)).to(tokens[0].dtype)

    replaced = Replaced({F.scaled_dot_product_attention: converted})
    wrap(model, "backbone", lambda inner: within(replaced, inner))


def _norms_in(model: FlowModel, dtype: torch.dtype) -> None:
    for name, module in list(model.backbone.blocks.named_modules()):
        if isinstance(module, nn.LayerNorm):
            module.to(dtype)
            wrap(
                model,
                f"backbone.blocks.{name}",
                lambda inner: lambda tokens: inner(tokens.to(dtype)).to(tokens.dtype),
            )


def _low_tokens(model: FlowModel, dtype: torch.dtype) -> None:
    for part in ("patch_embed", *(f"blocks.{index}" for index in range(len(model.backbone.blocks)))):
        wrap(model, f"backbone.{part}", lambda inner: lambda *args: inner(*args).to(dtype).float())


def _float32_tokens(model: FlowModel, dtype: torch.dtype) -> None:
    # The norms read them and give low precision to the products; what is added is promoted by itself.
    for name, module in list(model.backbone.blocks.named_modules()):
        if isinstance(module, nn.LayerNorm):
            module.float()
            wrap(model, f"backbone.blocks.{name}", lambda inner: lambda tokens: inner(tokens).to(dtype))
    wrap(model, "backbone.patch_embed", lambda inner: lambda images: inner(images).float())
    wrap(model, "head.weighted_fusion", lambda inner: lambda taps: inner(cast(taps, dtype)))


def _in_float32(convert: Change) -> Change:
    return lambda model, _: convert(model, torch.float32)


ISLANDS: Final = (
    Island("normalisation of images", True, _low_normalisation, _low_normalisation),
    Island("rotation of Q and K", True, _low_rotation, _low_rotation),
    Island("sampling positions", True, _low_positions, _low_positions),
    Island("last convolution, flow", True, _low_flow, _low_flow),
    Island("attention", False, _attention_in, _in_float32(_attention_in)),
    Island("layer norms", False, _norms_in, _in_float32(_norms_in)),
    Island("tokens between blocks", False, _low_tokens, _float32_tokens),
)
"""What an export keeps in float32, in the order in which it runs, then what it does not."""


def within(mode: TorchFunctionMode, inner: Function) -> Function:
    """A function that runs in a mode."""

    def run(*args: Any) -> Any:
        with mode:
            return inner(*args)

    return run
