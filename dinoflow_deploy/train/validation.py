"""Error on pairs held out of training."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from dinoflow_deploy.errors import InputError, TrainingError
from dinoflow_deploy.flow import FlowErrorSums, FlowMetrics, flow_error_sums
from dinoflow_deploy.train.batches import Batch
from dinoflow_deploy.train.distributed import Process, gather_objects


@dataclass(frozen=True, slots=True)
class Validation:
    """Result over all held-out pairs, and one of them to look at.

    Attributes:
        metrics: Errors, all pixels pooled.
        batch: The first pair of this process.
        flow: What was predicted for it, ``[1, 2, H, W]``.
    """

    metrics: FlowMetrics
    batch: Batch
    flow: Tensor


@torch.no_grad()
def validate(model: nn.Module, batches: Iterable[Batch], process: Process) -> Validation:
    """Evaluate a model; every process calls this with its share and gets the whole result.

    Raises:
        TrainingError: The model gives flow that is not finite.
    """
    training = [module for module in model.modules() if module.training]
    model.eval()
    sums = FlowErrorSums()
    shown: tuple[Batch, Tensor] | None = None
    for batch in batches:
        on_device = batch.to(process.device)
        flow = model(on_device.image1, on_device.image2).cpu()
        sums += _errors(flow, batch)
        shown = shown or (batch, flow)
    # One by one: a frozen backbone stays in evaluation mode.
    for module in training:
        module.training = True
    assert shown is not None, "every process has at least one pair"
    parts: list[FlowErrorSums] = gather_objects(sums)  # type: ignore[assignment]
    return Validation(sum(parts, FlowErrorSums()).metrics(), *shown)


def _errors(flow: Tensor, batch: Batch) -> FlowErrorSums:
    sums = FlowErrorSums()
    for predicted, target, valid, name in zip(flow, batch.flow, batch.valid, batch.names, strict=True):
        try:
            sums += flow_error_sums(_channels_last(predicted), _channels_last(target), valid.numpy())
        except InputError as error:
            raise TrainingError(f"validation on {name}: {error}; lower learning_rate") from error
    return sums


def _channels_last(flow: Tensor) -> np.ndarray:
    return flow.permute(1, 2, 0).numpy()
