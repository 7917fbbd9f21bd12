"""Error on pairs held out of training, by the same sums as ``dinoflow-deploy bench``."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from dinoflow_deploy.bundles.input_range import STRIDE
from dinoflow_deploy.datasets import FlowSample
from dinoflow_deploy.engines.frames import to_flow, to_tensor
from dinoflow_deploy.errors import InputError, TrainingError
from dinoflow_deploy.flow import Accuracy, AccuracySums, accuracy_sums
from dinoflow_deploy.flow.padding import Padding
from dinoflow_deploy.train.distributed import Process, gather_objects


@dataclass(frozen=True, slots=True)
class Validation:
    """Result over all held-out pairs, and one of them to look at.

    Attributes:
        epe: Mean over the data sets of their end-point errors, px.
        accuracy: Of each data set, by name.
        sample: The first pair of this process; None where it has none.
        flow: What was predicted for it, ``float32 [H, W, 2]``.
    """

    epe: float
    accuracy: dict[str, Accuracy]
    sample: FlowSample | None
    flow: np.ndarray | None


@torch.no_grad()
def validate(model: nn.Module, samples: Iterable[tuple[str, FlowSample]], process: Process) -> Validation:
    """Evaluate a model in whole frames; every process calls this with its share and gets the whole result.

    Args:
        model: Takes images ``[1, 3, H, W]`` in [0, 1], sides multiples of 16; frames of other sizes are
            padded as the engines pad them.
        samples: Names of data sets and pairs.
        process: Where it computes.

    Raises:
        TrainingError: The model gives flow that is not finite.
    """
    training = [module for module in model.modules() if module.training]
    model.eval()
    sums: dict[str, AccuracySums] = {}
    shown: tuple[FlowSample, np.ndarray] | None = None
    for name, sample in samples:
        flow = _predict(model, sample, process.device)
        sums[name] = sums.get(name, AccuracySums()) + _errors(flow, sample)
        shown = shown or (sample, flow)
    # One by one: a frozen backbone stays in evaluation mode.
    for module in training:
        module.training = True
    accuracy = {name: each.accuracy() for name, each in _together(sums).items()}
    epe = float(np.mean([each.everything.epe for each in accuracy.values()]))
    return Validation(epe, accuracy, *(shown or (None, None)))


def _predict(model: nn.Module, sample: FlowSample, device: torch.device) -> np.ndarray:
    height, width = sample.valid.shape
    padding = Padding(height, width, -(-height // STRIDE) * STRIDE, -(-width // STRIDE) * STRIDE)
    images = (
        torch.from_numpy(to_tensor(frame[None], padding, 1)).to(device)
        for frame in (sample.frame1, sample.frame2)
    )
    flow: np.ndarray = to_flow(model(*images).float().cpu().numpy(), padding, 1)[0]
    return flow


def _errors(flow: np.ndarray, sample: FlowSample) -> AccuracySums:
    try:
        return accuracy_sums(flow, sample.flow, sample.valid, sample.occluded, sample.subpixel_flow)
    except InputError as error:
        raise TrainingError(f"validation on {sample.name}: {error}; lower learning_rate") from error


def _together(sums: dict[str, AccuracySums]) -> dict[str, AccuracySums]:
    """Sums of all processes, by data set in a fixed order."""
    parts: list[dict[str, AccuracySums]] = gather_objects(sums)  # type: ignore[assignment]
    names = sorted({name for part in parts for name in part})
    return {name: sum((part.get(name, AccuracySums()) for part in parts), AccuracySums()) for name in names}
