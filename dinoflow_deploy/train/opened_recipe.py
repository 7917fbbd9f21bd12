"""A recipe with its data at hand: how many steps there are, at which rate, on which samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from dinoflow_deploy.datasets import FlowDataset, SyntheticScenes
from dinoflow_deploy.datasets.flow_dataset import spread_evenly
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.progress import counted
from dinoflow_deploy.train.data_folder import DataFolder
from dinoflow_deploy.train.learning_rate import LearningRate
from dinoflow_deploy.train.recipe import Recipe, Stage
from dinoflow_deploy.train.samples import AugmentedPairs, SceneSamples, Source
from dinoflow_deploy.train.torch_scenes import MOST_PHOTOGRAPHS


@dataclass(frozen=True, slots=True)
class OpenedStage:
    """A stage in numbers.

    Attributes:
        stage: What the recipe says.
        first_step: Its first step in the run.
        steps: How many it has.
        samples: What it trains on.
        rate: The learning rate of its steps.
    """

    stage: Stage
    first_step: int
    steps: int
    samples: SceneSamples | AugmentedPairs
    rate: LearningRate

    def drawn_by_torch(self, device: torch.device) -> bool:
        """Whether these are scenes that torch draws, where training computes."""
        scenes = self.stage.synthetic
        return scenes is not None and scenes.drawn_by_torch(device.type)

    def describe_device(self, device: torch.device) -> str | None:
        """That torch draws the scenes, if it does, and which of the photographs it leaves out."""
        if not self.drawn_by_torch(device):
            return None
        photographs = self.samples.scenes.photographs if isinstance(self.samples, SceneSamples) else None
        files = len(photographs.files) if photographs else 0
        some = f", from {MOST_PHOTOGRAPHS} of the {files} photographs" if files > MOST_PHOTOGRAPHS else ""
        return f"scenes drawn by torch on {device}, without loader processes{some}"

    def describe(self) -> str:
        """Samples, steps and warm-up in a line."""
        batch, samples = self.stage.batch_size, self.samples
        warm_up = f"warm-up {self.rate.warmup_steps} to {self.rate.peak:g}" if self._begins_schedule else ""
        if isinstance(samples, SceneSamples):
            photographs = samples.scenes.photographs
            looks = f" from {counted(len(photographs.files), 'photographs')}" if photographs else ""
            parts = [f"synthetic scenes{looks}, {self.steps} steps of {batch} pairs", warm_up]
        else:
            sources = " + ".join(f"{len(each)} {each.dataset.title}" for each in samples.sources)
            parts = [
                f"{len(samples)} pairs an epoch ({sources})",
                f"{samples.steps_per_epoch} steps of {batch} an epoch",
                f"{self.steps} steps" + (f" ({self.stage.epochs} epochs)" if self.stage.epochs else ""),
                warm_up,
            ]
        return ", ".join(filter(None, parts))

    @property
    def _begins_schedule(self) -> bool:
        return self.rate.first_step == self.first_step


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Pairs to validate on.

    Attributes:
        name: Of the data set.
        pairs: Where they come from.
        indices: Which of them.
    """

    name: str
    pairs: SyntheticScenes | FlowDataset
    indices: Sequence[int]


@dataclass(frozen=True, slots=True)
class OpenedRecipe:
    """A run in numbers.

    Attributes:
        recipe: What it follows.
        stages: One after the other.
        held_out: What it is validated on.
    """

    recipe: Recipe
    stages: tuple[OpenedStage, ...]
    held_out: tuple[HeldOut, ...]

    @property
    def total_steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def learning_rate(self, step: int) -> float:
        """Rate of a step, counted from 0."""
        return next(stage.rate(step) for stage in reversed(self.stages) if step >= stage.first_step)

    def fingerprints(self) -> list[str]:
        """Of each stage's data; empty for drawn scenes, which the recipe alone determines."""
        return [stage.samples.fingerprint() for stage in self.stages]

    def describe(self) -> list[str]:
        """What will be done, in lines."""
        lines = [f"stage {place}: {stage.describe()}" for place, stage in enumerate(self.stages)]
        for stage in self.stages:
            if isinstance(stage.samples, AugmentedPairs):
                lines += [f"note: {note}" for each in stage.samples.sources for note in each.dataset.notes]
        held_out = ", ".join(f"{len(each.indices)} pairs of {each.name}" for each in self.held_out)
        return [*lines, f"{self.total_steps} steps in all, validated on {held_out}"]


def open_recipe(recipe: Recipe, data: DataFolder | None = None) -> OpenedRecipe:
    """Open a recipe's data and count.

    Args:
        recipe: What to do.
        data: Where its data sets lie; may be left out where it trains on synthetic scenes.

    Raises:
        InputError: A data set is not there or too small for a batch, or the warm-up is longer than its
            schedule.
        FileFormatError: Files are missing.
    """
    data = data or DataFolder(None)
    samples = [_samples(recipe, number, data) for number in range(len(recipe.stages))]
    steps = [_steps(stage, each) for stage, each in zip(recipe.stages, samples, strict=True)]
    rates = _rates(recipe, samples, steps)
    stages = tuple(
        OpenedStage(stage, sum(steps[:number]), steps[number], samples[number], rates[number])
        for number, stage in enumerate(recipe.stages)
    )
    return OpenedRecipe(recipe, stages, tuple(_held_out(recipe, data)))


def _samples(recipe: Recipe, number: int, data: DataFolder) -> SceneSamples | AugmentedPairs:
    stage = recipe.stages[number]
    if stage.synthetic:
        length = stage.steps * stage.batch_size
        return SceneSamples(stage.synthetic.open(length), stage.batch_size)
    sources = [
        Source(data.open(each.dataset, each.root, each.split), each.augmentation, each.repeat)
        for each in stage.data
    ]
    pairs = AugmentedPairs(sources, stage.batch_size, recipe.seed, number)
    if not pairs.steps_per_epoch:
        raise InputError(
            f"the data of stage {number} has {len(pairs)} pairs, fewer than a batch of {stage.batch_size}: "
            "choose a smaller batch_size"
        )
    return pairs


def _steps(stage: Stage, samples: SceneSamples | AugmentedPairs) -> int:
    if isinstance(samples, AugmentedPairs) and stage.epochs:
        return stage.epochs * samples.steps_per_epoch
    return stage.steps


def _rates(
    recipe: Recipe, samples: Sequence[SceneSamples | AugmentedPairs], steps: Sequence[int]
) -> list[LearningRate]:
    settings = recipe.optimizer
    if settings.schedule == "run":
        return [_rate(recipe, samples[0], settings.learning_rate, 0, sum(steps))] * len(steps)
    return [
        _rate(recipe, each, stage.learning_rate or settings.learning_rate, sum(steps[:number]), steps[number])
        for number, (stage, each) in enumerate(zip(recipe.stages, samples, strict=True))
    ]


def _rate(
    recipe: Recipe, samples: SceneSamples | AugmentedPairs, peak: float, first_step: int, steps: int
) -> LearningRate:
    settings, warmup_steps = recipe.optimizer, recipe.optimizer.warmup_steps
    if isinstance(samples, AugmentedPairs) and settings.warmup_epochs:
        warmup_steps = round(settings.warmup_epochs * samples.steps_per_epoch)
    if warmup_steps >= steps:
        raise InputError(
            f"the warm-up has {warmup_steps} steps: it must be below the {steps} of its schedule"
        )
    return LearningRate(peak, first_step, steps, warmup_steps, settings.decay_power)


def _held_out(recipe: Recipe, data: DataFolder) -> Iterator[HeldOut]:
    section = recipe.validation
    if section.synthetic:
        yield HeldOut("synthetic scenes", section.synthetic.open(section.pairs), range(section.pairs))
    for each in section.data:
        dataset = data.open(each.dataset, each.root, each.split)
        name = " ".join(filter(None, (each.dataset, each.split)))
        yield HeldOut(name, dataset, spread_evenly(len(dataset), section.pairs or None))
