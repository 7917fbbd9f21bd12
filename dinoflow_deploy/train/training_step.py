"""One optimiser step: losses, gradients, weights."""

import time
import warnings
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import AdamW, Optimizer

from dinoflow_deploy.errors import TrainingError
from dinoflow_deploy.train.batches import Batch
from dinoflow_deploy.train.checkpoint import TrainingState
from dinoflow_deploy.train.distributed import Process
from dinoflow_deploy.train.model import FlowModel
from dinoflow_deploy.train.objective import Objective
from dinoflow_deploy.train.recipe import OptimizerSection, Recipe, Stage
from dinoflow_deploy.train.weight_average import WeightAverage


def training_state(model: FlowModel, recipe: Recipe, process: Process) -> TrainingState:
    """What changes while a model is trained, on the process' device, before the first step.

    Args:
        model: Its weights are those to start from.
        recipe: What of it learns, and how.
        process: Which of the processes this is.
    """
    model.backbone.requires_grad_(recipe.model.train_backbone)
    # Half the time of the convolutions on CPUs and on tensor cores.
    model = model.to(process.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = None
    if recipe.optimizer.ema_decay:
        average = WeightAverage(model, recipe.optimizer.ema_decay)
    # From here on the processes draw different numbers.
    torch.manual_seed(recipe.seed + 1 + process.rank)
    return TrainingState(model, _optimizer(model, recipe.optimizer), average)


class TrainingStep:
    """Computes the loss of a batch and its gradients, and moves the weights.

    Args:
        recipe: What is optimised, and how.
        process: Which of the processes this is; each calls with its own share of the pairs.
        state: What is changed, but for ``step``, which whoever calls counts.
    """

    def __init__(self, recipe: Recipe, process: Process, state: TrainingState) -> None:
        self._recipe = recipe
        self._process = process
        self._state = state
        self._objective = _wrap(Objective(state.model, recipe.flow_cap), recipe, process)

    def __call__(self, stage: Stage, batch: Batch, rate: float) -> dict[str, float]:
        """Do it.

        Args:
            stage: Whose losses count, and what is frozen.
            batch: This process' share of the pairs.
            rate: Learning rate.

        Returns:
            ``loss``, ``lr``, ``gradient_norm``, and the ``pairs_per_second`` of all processes.

        Raises:
            TrainingError: A loss or a gradient is not finite.
        """
        began = time.perf_counter()
        state, settings = self._state, self._recipe.optimizer
        _set_modes(state.model, self._recipe, stage)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        state.optimizer.zero_grad()
        loss = self._accumulate(stage, batch.parts(stage.micro_batch))
        limit = settings.clip_norm or float("inf")
        norm = nn.utils.clip_grad_norm_(state.model.parameters(), limit)
        # A finite loss may have a gradient that is not: it must reach neither weights nor checkpoint.
        self._check_finite("norm of the gradient", norm, batch)
        state.optimizer.step()
        if state.average:
            state.average.update(state.model, state.step)
        figures = {"loss": loss, "lr": rate, "gradient_norm": norm.item()}
        # Now that a GPU has been waited for.
        seconds = time.perf_counter() - began
        return figures | {"pairs_per_second": self._process.world_size * len(batch.names) / seconds}

    def _accumulate(self, stage: Stage, parts: list[Batch]) -> float:
        """Add the gradients of all parts up, each with the weight of its share; gives the mean loss."""
        total = 0.0
        for place, part in enumerate(parts):
            on_device = part.to(self._process.device)
            # Processes exchange gradients once a step, after the last part.
            with self._exchanging(place == len(parts) - 1):
                with _autocast(self._recipe.optimizer, self._process.device):
                    loss = self._objective(stage, on_device) / len(parts)
                self._check_finite("loss", loss, part)
                loss.backward()
            total += loss.item()
        return total

    def _exchanging(self, on: bool) -> AbstractContextManager[None]:
        if on or not isinstance(self._objective, DistributedDataParallel):
            return nullcontext()
        return self._objective.no_sync()

    def _check_finite(self, what: str, value: Tensor, batch: Batch) -> None:
        if not torch.isfinite(value):
            where = f"step {self._state.step}, rank {self._process.rank}"
            raise TrainingError(
                f"the {what} is {value.item()} at {where}, with the batch "
                f"{', '.join(batch.names)}: look at those pairs, or start a new run from this one's "
                "last model (--init-from) with a lower learning_rate or autocast = 'off'. Nothing of this "
                "step is saved"
            )


def _set_modes(model: FlowModel, recipe: Recipe, stage: Stage) -> None:
    """Training mode, but for what is frozen."""
    model.train()
    model.backbone.train(recipe.model.train_backbone)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and stage.freeze_batch_norm:
            module.eval()


def _optimizer(model: nn.Module, settings: OptimizerSection) -> Optimizer:
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=settings.learning_rate)


def _wrap(objective: Objective, recipe: Recipe, process: Process) -> nn.Module:
    if process.world_size == 1:
        return objective
    # The class token's gradient is a slice of its row's; DDP copies it, which costs nothing worth a warning.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    ids = [process.device.index] if process.device.type == "cuda" else None
    # A stage without the flow loss leaves the decoder without gradients; a backbone's last norm has none.
    idle = recipe.model.train_backbone or any(stage.flow_weight == 0 for stage in recipe.stages)
    return DistributedDataParallel(objective, device_ids=ids, find_unused_parameters=idle)


def _autocast(settings: OptimizerSection, device: torch.device) -> torch.autocast:
    on = settings.autocast == "bf16" or (settings.autocast == "auto" and _computes_in_bf16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=on)


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())
