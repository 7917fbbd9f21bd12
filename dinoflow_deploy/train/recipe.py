"""Training recipes: what is trained, on what, for how long. TOML files, checked when read."""

import dataclasses
import math
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Self, TypeVar

from dinoflow_deploy.datasets import SceneConfig
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.train.model.config import BACKBONES

Section = TypeVar("Section")
Autocast = Literal["auto", "bf16", "off"]

# What a file may hold for a field of each type. Not by isinstance: true would pass for a whole number.
_TYPES: dict[Any, tuple[tuple[type, ...], str]] = {
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    bool: ((bool,), "true or false"),
    str: ((str,), "text in quotes"),
    str | None: ((str, NoneType), "text in quotes"),
}


@dataclass(frozen=True, slots=True)
class ModelSection:
    """Which model, and what of it learns.

    Attributes:
        backbone: A key of ``BACKBONES``.
        train_backbone: Whether the backbone learns too. Published backbones stay frozen; ``nano`` starts
            from nothing.
        backbone_weights: Where a frozen backbone comes from, as ``FlowModel.from_pretrained`` takes it.
    """

    backbone: str = "vits16"
    train_backbone: bool = False
    backbone_weights: str | None = None


@dataclass(frozen=True, slots=True)
class OptimizerSection:
    """AdamW, warm-up, polynomial decay and what is done to gradients.

    Attributes:
        learning_rate: Peak, after the warm-up.
        warmup_steps: Steps of linear rise from 0.
        decay_power: The rate falls as ``(1 - progress) ** decay_power`` to 0 at the last step.
        weight_decay: Of weights with two axes or more; biases, norms and scales have none.
        clip_norm: Largest norm of the gradient; 0 is off.
        ema_decay: Of the moving average of the weights, which is what is validated and saved; 0 is off.
        autocast: ``bf16``, ``off``, or ``auto``: bf16 where the device computes in it.
    """

    learning_rate: float = 4e-4
    warmup_steps: int = 1000
    decay_power: float = 1.0
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    ema_decay: float = 0.0
    autocast: Autocast = "auto"

    def __post_init__(self) -> None:
        """Check ranges."""
        _check_least(self, warmup_steps=0, decay_power=0, weight_decay=0, clip_norm=0)
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate is {self.learning_rate}: it must be above 0")
        if not 0 <= self.ema_decay < 1:
            raise InputError(f"ema_decay is {self.ema_decay}: it must be from 0 (off) to below 1")
        if self.autocast not in ("auto", "bf16", "off"):
            raise InputError(f"autocast is '{self.autocast}': choose auto, bf16 or off")


@dataclass(frozen=True, slots=True)
class SyntheticSection:
    """Synthetic scenes.

    Attributes:
        seed: Of the textures and the scenes.
        scenes: Size, motion and content; in the file its keys stand beside ``seed``.
    """

    seed: int
    scenes: SceneConfig

    def __post_init__(self) -> None:
        """Check that the model takes the size."""
        _check_least(self, seed=0)
        if self.scenes.height % 16 or self.scenes.width % 16:
            raise InputError(
                f"scenes of {self.scenes.height}x{self.scenes.width}: both sides must be multiples of 16"
            )


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training on one kind of data.

    Attributes:
        steps: Optimiser steps.
        batch_size: Pairs per step over all processes.
        synthetic: The scenes.
        flow_weight: Weight of the loss of the flow.
        quarter_weight: Weight of the loss of the flow read off the decoder's features at a quarter of the
            resolution.
        coarse_weight: The same at a sixteenth.
        matching_weight: Weight of the matching loss on the cost volume.
        freeze_batch_norm: Normalise with the statistics as they are, as inference does, and do not update
            them: for a last stage, and for batches too small to take statistics of.

    The weights but ``flow_weight`` are for models that learn from scratch, and off by default. What lies
    beyond the last loss is not computed: a stage without the flow's own is several times cheaper a step.
    """

    steps: int
    batch_size: int
    synthetic: SyntheticSection
    flow_weight: float = 1.0
    quarter_weight: float = 0.0
    coarse_weight: float = 0.0
    matching_weight: float = 0.0
    freeze_batch_norm: bool = False

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.steps < 1 or self.batch_size < 1:
            raise InputError(
                f"a stage of {self.steps} steps with batch_size {self.batch_size}: both must be at least 1"
            )
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
        pairs: How many pairs.
        synthetic: The scenes, of another seed than any stage's.
    """

    every: int
    pairs: int
    synthetic: SyntheticSection

    def __post_init__(self) -> None:
        """Check ranges."""
        _check_least(self, every=1, pairs=1)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole training run.

    Attributes:
        seed: Of initial weights and of everything random in training.
        flow_cap: Pixels whose true flow is longer than this, px, do not count in the loss.
        checkpoint_every: Steps between checkpoints.
        log_every: Steps between TensorBoard scalars.
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
        _check_least(self, seed=0, checkpoint_every=1, log_every=1, workers=0)
        if not 0 < self.flow_cap < math.inf:
            raise InputError(f"flow_cap is {self.flow_cap}: it must be above 0 px")
        if self.model.backbone not in BACKBONES:
            raise InputError(f"backbone is '{self.model.backbone}': choose one of {', '.join(BACKBONES)}")
        if not self.stages:
            raise InputError("a recipe needs at least one [[stages]] table")
        if self.validation.synthetic.seed in {stage.synthetic.seed for stage in self.stages}:
            raise InputError(
                f"validation seed {self.validation.synthetic.seed} is a stage's too: "
                "held-out scenes need their own"
            )
        if self.optimizer.warmup_steps >= self.total_steps:
            raise InputError(
                f"warmup_steps is {self.optimizer.warmup_steps}: it must be below the {self.total_steps} "
                "steps of all stages"
            )

    @property
    def total_steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read a recipe's tables.

        Raises:
            InputError: A key is unknown or missing, has the wrong type, or is out of range.
        """
        read = dict(values)
        if "model" in read:
            read["model"] = _section(ModelSection, read["model"], "model")
        if "optimizer" in read:
            read["optimizer"] = _section(OptimizerSection, read["optimizer"], "optimizer")
        if "stages" in read:
            read["stages"] = _stages(read["stages"])
        if "validation" in read:
            read["validation"] = _with_scenes(ValidationSection, read["validation"], "validation")
        return cls(**_checked_keys(cls, read, "the recipe"))


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
        except (OSError, UnicodeDecodeError) as error:
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


def _check_least(section: object, **limits: float) -> None:
    for name, least in limits.items():
        value = getattr(section, name)
        if not least <= value < math.inf:
            raise InputError(f"{name} is {value}: it must be {least} or more")


def _stages(tables: Any) -> tuple[Stage, ...]:
    if not isinstance(tables, list | tuple):
        raise InputError(f"stages must be tables that begin with [[stages]], not {tables!r}")
    return tuple(_with_scenes(Stage, table, f"stages[{index}]") for index, table in enumerate(tables))


def _with_scenes(kind: type[Section], values: dict[str, Any], where: str) -> Section:
    if not isinstance(values, dict) or not isinstance(values.get("synthetic"), dict):
        raise InputError(f"{where} needs a table synthetic = {{ seed, height, width, max_motion }}")
    table = dict(values["synthetic"])
    # As to_dict nests it, or as a person writes it: beside the seed.
    scenes = table.pop("scenes", {})
    if isinstance(scenes, dict):
        scenes = {**scenes, **{name: value for name, value in table.items() if name != "seed"}}
    scenes = _section(SceneConfig, scenes, f"{where}.synthetic")
    seed = {name: value for name, value in table.items() if name == "seed"}
    synthetic = _section(SyntheticSection, {**seed, "scenes": scenes}, f"{where}.synthetic")
    return _section(kind, {**values, "synthetic": synthetic}, where)


def _section(kind: type[Section], values: Any, where: str) -> Section:
    if not isinstance(values, dict):
        raise InputError(f"{where} must be a table, not {values!r}")
    checked = _checked_keys(kind, values, where)
    try:
        return kind(**checked)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _checked_keys(kind: type, values: dict[str, Any], where: str) -> dict[str, Any]:
    """Values with only known keys, no required key missing, and each of its type."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(values.keys() - fields.keys())
    if unknown:
        raise InputError(f"{where} has unknown keys {', '.join(unknown)}: known are {', '.join(fields)}")
    required = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    missing = sorted(required - values.keys())
    if missing:
        raise InputError(f"{where} lacks {', '.join(missing)}")
    for name, value in values.items():
        _check_type(f"{where}: {name}", value, fields[name].type)
    return values


def _check_type(name: str, value: Any, expected: Any) -> None:
    types, wanted = _TYPES.get(expected, ((type(value),), ""))
    if type(value) not in types:
        raise InputError(f"{name} is {value!r}: it must be {wanted}")
    if expected is float and not math.isfinite(value):
        raise InputError(f"{name} is {value!r}: it must be finite")
