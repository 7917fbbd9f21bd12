"""The blocks of a model whose precision is looked at one by one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dinoflow_deploy.export.precision_study.function_replacement import Function
from dinoflow_deploy.export.precision_study.rounding import cast
from dinoflow_deploy.train.model import FlowModel


@dataclass(frozen=True, slots=True)
class Block:
    """Parts of a model that run one after the other.

    Attributes:
        name: What a reader calls it.
        parts: Dotted names of its modules and functions in a ``FlowModel``; what the last one returns is
            what the block returns.
    """

    name: str
    parts: tuple[str, ...]


def blocks_of(model: FlowModel) -> tuple[Block, ...]:
    """The blocks of a model in the order in which they run; the last convolution, always float32, is none."""
    depth = model.config.backbone_config.depth
    return (
        Block("patch embedding", ("backbone.patch_embed",)),
        *(Block(f"transformer block {index}", (f"backbone.blocks.{index}",)) for index in range(depth)),
        Block("fusion", ("head.weighted_fusion",)),
        Block("cost volume", ("head.cost_volume",)),
        Block("motion encoder", ("head.motion_encoder",)),
        Block("detail enhancer", ("head.detail_enhancer",)),
        Block("x4 stage 1", ("head.upsample_1", "head.refinement_1")),
        Block("x4 stage 2", ("head.upsample_2", "head.refinement_2")),
        Block("output convolutions", ("head.output_conv.0", "head.output_conv.2")),
    )


def wrap(model: nn.Module, part: str, wrapper: Callable[[Function], Function]) -> None:
    """Let a part of a model run as ``wrapper(part)`` instead, in place."""
    owner_name, _, name = part.rpartition(".")
    owner = model.get_submodule(owner_name)
    target = getattr(owner, name)
    if isinstance(target, nn.Module):
        owner, name, target = target, "forward", target.forward
    setattr(owner, name, wrapper(target))


def lower(model: FlowModel, block: Block, dtype: torch.dtype) -> None:
    """Let one block of a float32 model compute in another type, in place; its borders stay float32."""
    for part in block.parts:
        module = dict(model.named_modules()).get(part)
        for parameter in module.parameters() if module else ():
            parameter.data = parameter.data.to(dtype)
        wrap(model, part, lambda inner: _in_type(inner, dtype))


def _in_type(inner: Function, dtype: torch.dtype) -> Function:
    def run(*args: Any) -> Any:
        # A tuple is the angles of the rotary embedding, which are float32 in every precision.
        lowered = [value if isinstance(value, tuple) else cast(value, dtype) for value in args]
        return cast(inner(*lowered), torch.float32)

    return run
