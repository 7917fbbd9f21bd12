"""Exponential moving average of a model's weights."""

import copy

import torch
from torch import nn


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
        for average, value in zip(self.model.parameters(), model.parameters(), strict=True):
            average.lerp_(value, 1 - decay)
        for copied, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            copied.copy_(buffer)
