"""Training recipes: what is trained, on what, for how long. TOML files, checked when read."""

import dataclasses
import math
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.system.dataclass_reader import from_toml
from dinoflow_deploy.system.system_errors import explain
from dinoflow_deploy.train.data_sections import (
    DataSection,
    HeldOutSection,
    SyntheticSection,
    check_least,
    check_one_kind,
)
from dinoflow_deploy.train.model.config import BACKBONES, FlowModelConfig, model_names

Autocast = Literal["auto", "bf16", "off"]
Schedule = Literal["run", "stage"]


@dataclass(frozen=True, slots=True)
class ModelSection:
    """Which model, and what of it learns.

    Attributes:
        backbone: A key of ``BACKBONES``.
        train_backbone: Whether the backbone learns too. Published backbones stay frozen; ``nano`` starts
            from nothing.
        backbone_weights: Where a frozen backbone comes from, as ``FlowModel.from_pretrained`` takes it.
        name: Of the model, where it is not its backbone's: it says the decoder.
    """

    backbone: str = "vits16"
    train_backbone: bool = False
    backbone_weights: str | None = None
    name: str = ""

    @property
    def config(self) -> FlowModelConfig:
        """What the model is made of.

        Raises:
            ModelError: There is no such model.
        """
        return FlowModelConfig.named(self.name or self.backbone)


@dataclass(frozen=True, slots=True)
class OptimizerSection:
    """AdamW, warm-up, polynomial decay and what is done to gradients.

    Attributes:
        learning_rate: Peak, after the warm-up.
        warmup_steps: Steps of linear rise from 0.
        warmup_epochs: The same in epochs of the data, in place of ``warmup_steps``.
        decay_power: The rate falls as ``(1 - progress) ** decay_power`` to 0 at the last step.
        schedule: ``run``: one rise and fall over all stages. ``stage``: one for each stage.
        weight_decay: Of weights with two axes or more; biases, norms and scales have none.
        clip_norm: Largest norm of the gradient; 0 is off.
        ema_decay: Of the moving average of the weights, which is what is validated and saved; 0 is off.
        autocast: ``bf16``, ``off``, or ``auto``: bf16 where the device computes in it.
        compile: Whether ``torch.compile`` makes fewer, larger kernels of model and losses; each stage begins
            with minutes of that.
    """

    learning_rate: float = 4e-4
    warmup_steps: int = 0
    warmup_epochs: float = 0.0
    decay_power: float = 1.0
    schedule: Schedule = "run"
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    ema_decay: float = 0.0
    autocast: Autocast = "auto"
    compile: bool = False

    def __post_init__(self) -> None:
        """Check ranges."""
        check_least(self, warmup_steps=0, warmup_epochs=0, decay_power=0, weight_decay=0, clip_norm=0)
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate is {self.learning_rate}: it must be above 0")
        if not 0 <= self.ema_decay < 1:
            raise InputError(f"ema_decay is {self.ema_decay}: it must be from 0 (off) to below 1")
        if self.autocast not in ("auto", "bf16", "off"):
            raise InputError(f"autocast is '{self.autocast}': choose auto, bf16 or off")
        if self.schedule not in ("run", "stage"):
            raise InputError(f"schedule is '{self.schedule}': choose run or stage")
        if self.warmup_steps and self.warmup_epochs:
            raise InputError("warmup_steps and warmup_epochs are both given: choose one")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training on one kind of data.

    Attributes:
        batch_size: Pairs per step over all processes.
        steps: Optimiser steps.
        epochs: Passes over the data sets, in place of ``steps``; a last, incomplete batch is left out.
        synthetic: The scenes.
        data: Or the data sets, all under one crop, mixed pair by pair.
        micro_batch: Most pairs that a process computes at once; gradients of more are accumulated. 0: all.
        learning_rate: Peak of this stage, where each has its own schedule; 0 is the optimizer's.
        flow_weight: Weight of the loss of the flow.
        flow_exponent: Power of the error in that loss, above 0, up to 1. Below 1 it is robust: what is nearly
            right counts more, as small motion and stillness do, and large errors less.
        quarter_weight: Weight of the loss of the flow read off the decoder's features at a quarter of the
            resolution.
        coarse_weight: The same at a sixteenth.
        matching_weight: Weight of the matching loss on the cost volume.
        freeze_batch_norm: Normalise with the statistics as they are, as inference does, and do not update
            them: for a last stage, and for batches too small to take statistics of. Otherwise each process
            takes them of its own pairs, ``micro_batch`` at a time, and rank 0's are kept.

    The weights but ``flow_weight`` are for models that learn from scratch, and off by default. What lies
    beyond the last loss is not computed: a stage without the flow's own is several times cheaper a step.
    """

    batch_size: int
    steps: int = 0
    epochs: int = 0
    synthetic: SyntheticSection | None = None
    data: tuple[DataSection, ...] = ()
    micro_batch: int = 0
    learning_rate: float = 0.0
    flow_weight: float = 1.0
    flow_exponent: float = 1.0
    quarter_weight: float = 0.0
    coarse_weight: float = 0.0
    matching_weight: float = 0.0
    freeze_batch_norm: bool = False

    def __post_init__(self) -> None:
        """Check ranges."""
        check_least(self, batch_size=1, steps=0, epochs=0, micro_batch=0, learning_rate=0)
        check_one_kind(self.synthetic, self.data)
        if (self.steps == 0) == (self.epochs == 0):
            raise InputError("a stage needs steps or epochs, one of them, 1 or more")
        if self.synthetic and self.epochs:
            raise InputError("epochs are passes over data sets: a stage of synthetic scenes needs steps")
        sizes = {(each.augmentation.crop_height, each.augmentation.crop_width) for each in self.data}
        if len(sizes) > 1:
            named = ", ".join(f"{height}x{width}" for height, width in sorted(sizes))
            raise InputError(f"data has crops of {named}: a stage needs one size")
        if not 0 < self.flow_exponent <= 1:
            raise InputError(f"flow_exponent is {self.flow_exponent}: it must be above 0, up to 1")
        weights = (self.flow_weight, self.quarter_weight, self.coarse_weight, self.matching_weight)
        if min(weights) < 0 or sum(weights) == 0:
            raise InputError(
                f"weights of flow, quarter, coarse, matching are {weights}: none may be below 0, "
                "one must be above"
            )


@dataclass(frozen=True, slots=True)
class ValidationSection:
    """Pairs held out of training.

    Attributes:
        every: Steps between validations; the last step is always validated.
        pairs: How many pairs; of data sets as many of each, spread evenly, 0 being all.
        synthetic: The scenes, of another seed than any stage's.
        data: Or data sets. Which model is the best is told by the mean of their end-point errors.
    """

    every: int
    pairs: int = 0
    synthetic: SyntheticSection | None = None
    data: tuple[HeldOutSection, ...] = ()

    def __post_init__(self) -> None:
        """Check ranges."""
        check_one_kind(self.synthetic, self.data)
        if self.synthetic and self.synthetic.renderer == "torch":
            raise InputError("renderer is 'torch': held-out scenes are rendered by NumPy, take it out")
        check_least(self, every=1, pairs=0 if self.data else 1)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole training run.

    Attributes:
        seed: Of initial weights and of everything random in training.
        flow_cap: Pixels whose true flow is longer than this, px, do not count in the loss.
        checkpoint_every: Steps between checkpoints.
        log_every: Steps between TensorBoard scalars, and between the looks at what a GPU has computed, which
            waits for nobody otherwise. Whether losses and gradients are finite is seen then, and before
            anything is validated or saved.
        workers: Loader processes per training process; 0 loads in the training process.
        model: Which model.
        optimizer: How it learns.
        stages: One after the other.
        validation: Pairs held out.
    """

    model: ModelSection
    optimizer: OptimizerSection
    stages: tuple[Stage, ...]
    validation: ValidationSection
    seed: int = 0
    flow_cap: float = 400.0
    checkpoint_every: int = 500
    log_every: int = 50
    workers: int = 2

    def __post_init__(self) -> None:
        """Check ranges, and parts against each other."""
        check_least(self, seed=0, checkpoint_every=1, log_every=1, workers=0)
        if not 0 < self.flow_cap < math.inf:
            raise InputError(f"flow_cap is {self.flow_cap}: it must be above 0 px")
        if self.model.backbone not in BACKBONES:
            raise InputError(f"backbone is '{self.model.backbone}': choose one of {', '.join(BACKBONES)}")
        same = [name for name in model_names() if FlowModelConfig.named(name).backbone == self.model.backbone]
        if self.model.name not in ("", *same):
            raise InputError(
                f"the model '{self.model.name}' is none of the backbone {self.model.backbone}: choose one of "
                f"{', '.join(same)}"
            )
        if not self.stages:
            raise InputError("a recipe needs at least one [[stages]] table")
        self._check_schedule()
        held_out = self.validation.synthetic
        seeds = {stage.synthetic.seed for stage in self.stages if stage.synthetic}
        if held_out and held_out.seed in seeds:
            raise InputError(
                f"validation seed {held_out.seed} is a stage's too: held-out scenes need their own"
            )

    def _check_schedule(self) -> None:
        if self.optimizer.schedule == "run" and any(stage.learning_rate for stage in self.stages):
            raise InputError(
                "a stage has a learning_rate of its own: that needs schedule = 'stage' in [optimizer]"
            )
        if self.optimizer.warmup_epochs and not all(stage.data for stage in self.stages):
            raise InputError("warmup_epochs counts epochs of data sets: for scenes give warmup_steps")

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read a recipe's tables.

        Raises:
            InputError: A key is unknown or missing, has the wrong type, or is out of range.
        """
        return from_toml(cls, values, "the recipe")


def load_recipe(source: str) -> Recipe:
    """Read a recipe by name (one of this package's) or from a ``.toml`` file.

    Raises:
        InputError: There is no such recipe, or it is not a valid one.
    """
    text = recipe_text(source)
    try:
        return Recipe.from_dict(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{source} is not valid TOML: {error}") from error
    except InputError as error:
        raise InputError(f"recipe {source}: {error}") from error


def recipe_text(source: str) -> str:
    """The TOML text of a recipe, by name or file."""
    if source.endswith(".toml"):
        try:
            return Path(source).read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"recipe {explain(error)}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"recipe {source} cannot be read: {error}") from error
    file = resources.files("dinoflow_deploy.train") / "recipes" / f"{source}.toml"
    if not file.is_file():
        raise InputError(
            f"no recipe '{source}': choose one of {', '.join(recipe_names())}, or pass a .toml file"
        )
    return file.read_text(encoding="utf-8")


def recipe_names() -> list[str]:
    """Names of this package's recipes."""
    folder = resources.files("dinoflow_deploy.train") / "recipes"
    return sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )
