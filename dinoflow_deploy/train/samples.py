"""What a stage trains on: which samples make the batch of a step, and each sample by its key.

A sample depends on the recipe's seed, the stage, the epoch and its place in the epoch alone: not on the
process, the loader process or the order in which samples are made. So no two share a stream of random
numbers, none is used twice, and another number of processes sees the same samples.
"""

import bisect
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dinoflow_deploy.datasets import FlowDataset, FlowSample, SyntheticScenes
from dinoflow_deploy.train.augmentation import Augmentation, augment

Key = Any
"""What a loader process is sent to make a sample by."""


class Samples(Protocol):
    """The samples of a stage."""

    def keys(self, step: int) -> Sequence[Key]:
        """Keys of the samples of a step of the stage, of all processes."""
        ...

    def __getitem__(self, key: Key) -> FlowSample:
        """The sample of a key."""
        ...

    def fingerprint(self) -> str:
        """A hash of what the recipe alone does not determine: another one is another run."""
        ...


class SceneSamples:
    """Synthetic scenes, numbered through: step s takes those from ``s * batch_size`` on.

    Args:
        scenes: As many as all steps need.
        batch_size: Pairs of a step.
    """

    def __init__(self, scenes: SyntheticScenes, batch_size: int) -> None:
        self.scenes = scenes
        self.batch_size = batch_size

    def keys(self, step: int) -> Sequence[int]:
        """Numbers of a step's scenes."""
        return range(step * self.batch_size, (step + 1) * self.batch_size)

    def __getitem__(self, key: int) -> FlowSample:
        """A scene."""
        return self.scenes[key]

    def fingerprint(self) -> str:
        """A hash of the photographs; empty for drawn scenes, which the recipe alone determines."""
        return self.scenes.photographs.fingerprint() if self.scenes.photographs else ""


@dataclass(frozen=True, slots=True)
class Source:
    """A data set in a mixture.

    Attributes:
        dataset: Its pairs.
        augmentation: What is done to them.
        repeat: How often each comes in an epoch.
    """

    dataset: FlowDataset
    augmentation: Augmentation
    repeat: int = 1

    def __len__(self) -> int:
        return len(self.dataset) * self.repeat


class AugmentedPairs:
    """Pairs of data sets in an order of chance, each epoch another, and augmented.

    Args:
        sources: The data sets, whose pairs are mixed one by one.
        batch_size: Pairs of a step. What an epoch has beyond whole batches is left out of it.
        seed: Of the recipe.
        stage: Number of the stage in it.
    """

    def __init__(self, sources: Sequence[Source], batch_size: int, seed: int, stage: int) -> None:
        self.sources = tuple(sources)
        self.batch_size = batch_size
        self.seed = seed
        self.stage = stage
        self._ends = list(itertools.accumulate(map(len, self.sources)))
        self._epoch: tuple[int, Any] = (-1, None)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getstate__(self) -> dict[str, Any]:
        """All but the order of the epoch, which loader processes need not know."""
        return self.__dict__ | {"_epoch": (-1, None)}

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches."""
        return len(self) // self.batch_size

    def keys(self, step: int) -> Sequence[tuple[int, int, int]]:
        """Epoch, place in it and index over all sources, of each sample of a step."""
        epoch, step_of_epoch = divmod(step, self.steps_per_epoch)
        first = step_of_epoch * self.batch_size
        chosen = self._order(epoch)[first : first + self.batch_size]
        return [(epoch, first + place, int(index)) for place, index in enumerate(chosen)]

    def __getitem__(self, key: tuple[int, int, int]) -> FlowSample:
        """Read and augment a pair.

        Raises:
            FileFormatError: A file is damaged; names it.
        """
        epoch, place, index = key
        number = bisect.bisect_right(self._ends, index)
        source = self.sources[number]
        # Counted from the end, which a negative index of the source is.
        sample = source.dataset[(index - self._ends[number]) % len(source.dataset)]
        return augment(sample, source.augmentation, self._generator(epoch, place))

    def _order(self, epoch: int) -> Any:
        if self._epoch[0] != epoch:
            self._epoch = epoch, self._generator(epoch).permutation(len(self))
        return self._epoch[1]

    def _generator(self, epoch: int, *place: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self.stage, epoch, *place)))

    def fingerprint(self) -> str:
        """A hash of the pairs' names in their order: another one is another run."""
        digest = hashlib.sha256()
        for source in self.sources:
            for pair in source.dataset.pairs:
                digest.update(pair.name.encode() + b"\n")
        return digest.hexdigest()
