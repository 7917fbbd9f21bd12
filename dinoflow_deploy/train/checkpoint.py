"""Everything a run needs to go on as if it had never stopped, as one ``.safetensors`` file.

Tensors: ``model.*``, ``average.*`` (when averaging), ``optimizer.INDEX.NAME``, ``random.RANK``. Metadata: the
step, the best validation and the recipe. The learning rate and the place in the data follow from the step.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from dinoflow_deploy.atomic import atomic_file
from dinoflow_deploy.errors import FileFormatError, InputError, TrainingError
from dinoflow_deploy.train.distributed import Process, gather_objects
from dinoflow_deploy.train.model import FlowModel
from dinoflow_deploy.train.model.model_file import CHECKPOINT_KEY
from dinoflow_deploy.train.model.strict_load import load_strictly
from dinoflow_deploy.train.recipe import Recipe
from dinoflow_deploy.train.weight_average import WeightAverage


@dataclass
class TrainingState:
    """What changes while training.

    Attributes:
        model: The model, on its device, not wrapped.
        optimizer: Over the model's learning parameters.
        average: The averaged model, or ``None`` when the recipe asks for none.
        step: Optimiser steps done.
        start_epe: Validation end-point error of the weights it started from, px; ``None`` where these were
            random.
        best_epe: Lowest validation end-point error so far, px.
    """

    model: FlowModel
    optimizer: Optimizer
    average: WeightAverage | None
    step: int = 0
    start_epe: float | None = None
    best_epe: float = float("inf")


def save_checkpoint(
    path: Path, state: TrainingState, recipe: Recipe, process: Process, data: Sequence[str] = ()
) -> None:
    """Write the state; every process calls this, rank 0 writes.

    Args:
        path: The file, which replaces an earlier one.
        state: What to write.
        recipe: Of the run.
        process: Which of the processes this is.
        data: Fingerprints of the stages' data sets.
    """
    generators = gather_objects(_random_state(process))
    if not process.is_main:
        return
    tensors = {f"model.{name}": value for name, value in state.model.state_dict().items()}
    if state.average:
        tensors |= {f"average.{name}": value for name, value in state.average.model.state_dict().items()}
    for index, values in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in values.items()}
    tensors |= {f"random.{rank}": value for rank, value in enumerate(generators)}
    metadata = {
        "step": state.step,
        "start_epe": state.start_epe,
        # JSON has no infinity.
        "best_epe": state.best_epe if state.best_epe < float("inf") else None,
        "world_size": process.world_size,
        "torch": torch.__version__,
        "data": list(data),
        "recipe": recipe.to_dict(),
    }
    # Models and averages may share constant buffers; safetensors wants each tensor to own its memory.
    owned = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    with atomic_file(path, overwrite=True) as partial:
        save_file(owned, partial, metadata={CHECKPOINT_KEY: json.dumps(metadata)})


def load_checkpoint(
    path: Path, state: TrainingState, recipe: Recipe, process: Process, data: Sequence[str] = ()
) -> None:
    """Put a saved state into a freshly made one.

    Raises:
        FileFormatError: The file is damaged or no checkpoint.
        TrainingError: It belongs to another recipe, number of processes or content of the data sets.
    """
    tensors, metadata = _read(path)
    _check_same_run(path, metadata, recipe, process)
    if metadata.get("data", []) != list(data):
        raise TrainingError(
            f"{path} was trained on other pairs than the data sets hold now: restore them to resume, or "
            "start a new run from its weights with --init-from"
        )
    load_strictly(state.model, _part(tensors, "model."), str(path))
    if state.average:
        load_strictly(state.average.model, _part(tensors, "average."), str(path))
    _load_optimizer(state.optimizer, _part(tensors, "optimizer."))
    state.step = metadata["step"]
    # Not there in a checkpoint that was written before it was measured.
    state.start_epe = metadata.get("start_epe")
    state.best_epe = float("inf") if metadata["best_epe"] is None else metadata["best_epe"]
    _restore_random_state(tensors[f"random.{process.rank}"], process)


def _load_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    saved: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        saved.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": saved, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, values in optimizer.state.items():
        for key, value in values.items():
            if value.shape == parameter.shape:
                # In the parameter's memory layout, as the optimiser makes them: another is another kernel.
                values[key] = torch.empty_like(parameter).copy_(value)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})[CHECKPOINT_KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise FileFormatError(f"{path} is damaged or is no checkpoint of a training run: {error}") from error


def _check_same_run(path: Path, metadata: dict[str, Any], recipe: Recipe, process: Process) -> None:
    try:
        saved = Recipe.from_dict(metadata["recipe"])
    except InputError as error:
        raise TrainingError(
            f"{path} was written by another version of dinoflow-deploy ({error}): resume with that version"
        ) from error
    # How many loader processes there are changes nothing that is learned.
    differing = [
        name
        for name in Recipe.__slots__
        if name != "workers" and getattr(saved, name) != getattr(recipe, name)
    ]
    if differing:
        raise TrainingError(
            f"{path} belongs to another recipe ({', '.join(differing)} differ): resume with the recipe it "
            "was started with, or start a new run from its weights with --init-from"
        )
    if metadata["world_size"] != process.world_size:
        raise TrainingError(
            f"{path} was written by {metadata['world_size']} processes and this run has "
            f"{process.world_size}: resume with the same number, or start a new run from its weights with "
            "--init-from"
        )


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _random_state(process: Process) -> Tensor:
    """States of the CPU's and, where there is one, the GPU's generator, end to end."""
    parts = [torch.get_rng_state()]
    if process.device.type == "cuda":
        parts.append(torch.cuda.get_rng_state(process.device))
    return torch.cat(parts)


def _restore_random_state(state: Tensor, process: Process) -> None:
    cpu_bytes = torch.get_rng_state().numel()
    torch.set_rng_state(state[:cpu_bytes])
    # A run that began on a CPU has no state of a GPU's generator.
    if process.device.type == "cuda" and state.numel() > cpu_bytes:
        torch.cuda.set_rng_state(state[cpu_bytes:], process.device)
