"""One optimiser step: losses, gradients, weights."""

import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import AdamW, Optimizer

from dinoflow_deploy.train.batches import Batch
from dinoflow_deploy.train.checkpoint import TrainingState
from dinoflow_deploy.train.compilation import compile_in_place, forget_compiled
from dinoflow_deploy.train.distributed import Process
from dinoflow_deploy.train.model import FlowModel
from dinoflow_deploy.train.objective import Objective
from dinoflow_deploy.train.recipe import OptimizerSection, Recipe, Stage
from dinoflow_deploy.train.step_values import StepValues
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

    On a GPU a step waits nowhere: what it found is told, and checked, when somebody looks. Until then no step
    whose gradient is not finite moves the weights, which later steps compute with.

    Args:
        recipe: What is optimised, and how.
        process: Which of the processes this is; each calls with its own share of the pairs.
        state: What is changed, but for ``step``, which whoever calls counts.
    """

    def __init__(self, recipe: Recipe, process: Process, state: TrainingState) -> None:
        self._recipe = recipe
        self._process = process
        self._state = state
        objective = Objective(state.model, recipe.flow_cap)
        if recipe.optimizer.compile:
            compile_in_place(objective)
        self._objective = _wrap(objective, recipe, process)
        self._stage: Stage | None = None
        self._ahead = runs_ahead(process.device)
        self._values = StepValues(process, ahead=self._ahead)
        self._since_look = _SinceLook()

    def __call__(self, stage: Stage, batch: Batch, rate: float) -> None:
        """Do it.

        Args:
            stage: Whose losses count, and what is frozen.
            batch: This process' share of the pairs.
            rate: Learning rate.

        Raises:
            TrainingError: On a CPU: a loss or a gradient is not finite.
        """
        since, state = self._since_look, self._state
        since.began = since.began or time.perf_counter()
        if self._recipe.optimizer.compile and stage is not self._stage:
            forget_compiled()
        self._stage = stage
        _set_modes(state.model, self._recipe, stage)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        state.optimizer.zero_grad()
        since.parts = self._accumulate(batch.parts(stage.micro_batch))
        limit = self._recipe.optimizer.clip_norm or float("inf")
        norm = nn.utils.clip_grad_norm_(state.model.parameters(), limit)
        # A finite loss may have a gradient that is not.
        self._values.keep("norm of the gradient", norm, state.step, batch.names)
        if self._ahead:
            # As a gradient scaler has a fused optimiser leave a step out.
            state.optimizer.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
        state.optimizer.step()
        if state.average:
            state.average.update(state.model, state.step)
        since.rate = rate
        since.pairs += self._process.world_size * len(batch.names)

    def look(self) -> dict[str, float]:
        """Wait for the steps since the last look, and check them; before anything of the state is kept.

        Every process of a run calls this after the same steps.

        Returns:
            ``loss``, ``lr`` and ``gradient_norm`` of the last step, and the ``pairs_per_second`` of all
            processes since the first; nothing where there was no step.

        Raises:
            TrainingError: A loss or a gradient was not finite: the state is not to be kept.
        """
        values = self._values.look()
        since, self._since_look = self._since_look, _SinceLook()
        if since.began is None:
            return {}
        *losses, norm = values[-since.parts - 1 :]
        seconds = time.perf_counter() - since.began
        return {
            "loss": sum(losses) / since.parts,
            "lr": since.rate,
            "gradient_norm": norm,
            "pairs_per_second": since.pairs / seconds,
        }

    def _accumulate(self, parts: list[Batch]) -> int:
        """Add the gradients of all parts up, each with the weight of its share; gives how many there are."""
        assert self._stage is not None
        for place, part in enumerate(parts):
            on_device = part.to(self._process.device)
            # Processes exchange gradients once a step, after the last part.
            with self._exchanging(place == len(parts) - 1):
                with _autocast(self._recipe.optimizer, self._process.device):
                    loss = self._objective(self._stage, on_device)
                self._values.keep("loss", loss, self._state.step, part.names)
                (loss / len(parts)).backward()
        return len(parts)

    def _exchanging(self, on: bool) -> AbstractContextManager[None]:
        if on or not isinstance(self._objective, DistributedDataParallel):
            return nullcontext()
        return self._objective.no_sync()


@dataclass(slots=True)
class _SinceLook:
    """What the host itself knows of the steps since the last look."""

    began: float | None = None
    pairs: int = 0
    parts: int = 0
    rate: float = 0.0


def runs_ahead(device: torch.device) -> bool:
    """Whether Python goes on while the device computes: a CPU computes first, so looking costs nothing."""
    return device.type != "cpu"


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
    # One kernel for many weights, which can be told on the device to leave a step out.
    fused = runs_ahead(learning[0].device)
    return AdamW(groups, lr=settings.learning_rate, fused=fused or None)


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
