"""What steps computed on the device, until the host looks at it: one wait for many steps."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dinoflow_deploy.errors import TrainingError
from dinoflow_deploy.train.distributed import Process, gather_objects


@dataclass(frozen=True, slots=True)
class _Kept:
    what: str
    value: Tensor
    step: int
    names: tuple[str, ...]


class StepValues:
    """Losses and norms of gradients since the last look.

    Args:
        process: Which of the processes this is.
        ahead: Whether to check them at the next look, in place of at once.
    """

    def __init__(self, process: Process, *, ahead: bool) -> None:
        self._process = process
        self._ahead = ahead
        self._kept: list[_Kept] = []

    def keep(self, what: str, value: Tensor, step: int, names: tuple[str, ...]) -> None:
        """Keep a scalar on its device.

        Args:
            what: What it is, for errors.
            value: What has to be finite.
            step: Which step computed it.
            names: Of the pairs that it was computed from.

        Raises:
            TrainingError: It is not finite, where that is checked at once.
        """
        kept = _Kept(what, value.detach(), step, names)
        if not self._ahead and not torch.isfinite(value):
            raise TrainingError(_complaint(kept, value.item(), self._process.rank))
        self._kept.append(kept)

    def look(self) -> list[float]:
        """Wait for the device; gives the values since the last look, in their order.

        Every process of a run calls this after the same steps.

        Raises:
            TrainingError: One is not finite: the first, of any process, whose pairs it names.
        """
        kept, self._kept = self._kept, []
        values: list[float] = torch.stack([each.value.float() for each in kept]).tolist() if kept else []
        if self._ahead:
            self._check(kept, values)
        return values

    def _check(self, kept: list[_Kept], values: list[float]) -> None:
        found = (
            (each.step, order, self._process.rank, _complaint(each, value, self._process.rank))
            for order, (each, value) in enumerate(zip(kept, values, strict=True))
            if not math.isfinite(value)
        )
        # The loss of one process makes the gradient of all not finite: its pairs are the ones to look at.
        everywhere: list[Any] = [each for each in gather_objects(next(found, None)) if each]
        if everywhere:
            raise TrainingError(min(everywhere)[-1])


def _complaint(kept: _Kept, value: float, rank: int) -> str:
    return (
        f"the {kept.what} is {value} at step {kept.step}, rank {rank}, with the batch "
        f"{', '.join(kept.names)}: look at those pairs, or start a new run from this one's "
        "last model (--init-from) with a lower learning_rate or autocast = 'off'. Nothing of this "
        "step is saved"
    )
