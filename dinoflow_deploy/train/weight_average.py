"""Exponential moving average of a model's weights."""

import copy

import torch
from torch import Tensor, nn


class WeightAverage:
    """A copy of a model whose weights follow it slowly; buffers (BatchNorm statistics) are its own.

    The decay starts low and rises to its value, so that the random start is soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards the model after optimiser step ``step`` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        # All at once: one by one, a GPU would wait for the host.
        torch._foreach_lerp_([*self.model.parameters()], [*model.parameters()], 1 - decay)
        # Where types are mixed torch copies one by one.
        for kind in {buffer.dtype for buffer in model.buffers()}:
            torch._foreach_copy_(_of_type(self.model, kind), _of_type(model, kind))


def _of_type(model: nn.Module, kind: torch.dtype) -> list[Tensor]:
    return [buffer for buffer in model.buffers() if buffer.dtype == kind]
