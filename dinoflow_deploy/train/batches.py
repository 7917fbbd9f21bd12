"""From data sets to batches of tensors, in an order that depends on seed and step alone."""

import functools
import multiprocessing
import operator
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dinoflow_deploy.datasets import FlowSample
from dinoflow_deploy.errors import DinoFlowError
from dinoflow_deploy.system.interrupts import no_interrupts_for_children
from dinoflow_deploy.train.data_sections import SyntheticSection
from dinoflow_deploy.train.opened_recipe import HeldOut, OpenedRecipe, OpenedStage
from dinoflow_deploy.train.recipe import Stage
from dinoflow_deploy.train.torch_scenes import SceneRenderer


@dataclass(frozen=True, slots=True)
class Batch:
    """Pairs as tensors.

    Attributes:
        image1: uint8 ``[B, 3, H, W]``.
        image2: uint8 ``[B, 3, H, W]``.
        flow: float32 ``[B, 2, H, W]``, px.
        valid: bool ``[B, H, W]``.
        names: Identity of each pair.
    """

    image1: Tensor
    image2: Tensor
    flow: Tensor
    valid: Tensor
    names: tuple[str, ...]

    def pin_memory(self) -> "Batch":
        """The same in page-locked memory, which a GPU reads asynchronously."""
        image1, image2, flow, valid = (tensor.pin_memory() for tensor in self._tensors())
        return Batch(image1, image2, flow, valid, self.names)

    def parts(self, size: int) -> "list[Batch]":
        """The batch cut into parts of ``size`` pairs; whole where that is 0."""
        count = len(self.names)
        size = size or count
        return [self._part(slice(start, start + size)) for start in range(0, count, size)]

    def _part(self, pairs: slice) -> "Batch":
        image1, image2, flow, valid = (tensor[pairs] for tensor in self._tensors())
        return Batch(image1, image2, flow, valid, self.names[pairs])

    def to(self, device: torch.device) -> "Batch":
        """The same on a device, images as float in [0, 1]."""
        image1, image2, flow, valid = (tensor.to(device, non_blocking=True) for tensor in self._tensors())
        return Batch(image1.float() / 255, image2.float() / 255, flow, valid, self.names)

    def _tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.image1, self.image2, self.flow, self.valid


class _ByKey:
    """Samples under the protocol of torch's loader, which asks by what its batch sampler gives."""

    def __init__(self, samples: Any) -> None:
        self.samples = samples

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.samples[key]
        except DinoFlowError as error:
            # Handed on as it is: raised in a loader process, it would come with that one's traceback.
            return error


class _HeldOutSamples:
    """Held-out pairs by number of the data set and index."""

    def __init__(self, held_out: Sequence[HeldOut]) -> None:
        self.held_out = held_out

    def __getitem__(self, key: tuple[int, int]) -> tuple[str, FlowSample]:
        number, index = key
        return self.held_out[number].name, self.held_out[number].pairs[index]


def training_batches(
    opened: OpenedRecipe, first_step: int, rank: int, world_size: int, device: torch.device
) -> Iterator[tuple[Stage, Batch]]:
    """Stage and this process's share of the batch, for every step from ``first_step`` to the last.

    Rank r takes the r-th part of the samples of a step. A resumed run sees what the first would have seen.

    Args:
        opened: What is trained on.
        first_step: Where to begin.
        rank: Number of this process.
        world_size: How many there are.
        device: Where training computes. Scenes that torch draws are made there; all other batches are in the
            host's memory, for a GPU page-locked.

    Raises:
        FileFormatError: A file is damaged; names it.
    """
    for stage in opened.stages:
        start = max(first_step - stage.first_step, 0)
        if start < stage.steps:
            keys = _shares(stage, start, rank, world_size)
            if stage.drawn_by_torch(device):
                batches = _drawn(stage.stage.synthetic, keys, device)
            else:
                pin = device.type == "cuda"
                batches = _load(stage.samples, keys, _collate, opened.recipe.workers, pin=pin)
            yield from ((stage.stage, batch) for batch in batches)


def validation_samples(
    held_out: Sequence[HeldOut], rank: int, world_size: int, workers: int
) -> Iterator[tuple[str, FlowSample]]:
    """This process's share of the held-out pairs, each with the name of its data set.

    Raises:
        FileFormatError: A file is damaged; names it.
    """
    keys = [(number, index) for number, each in enumerate(held_out) for index in each.indices]
    own = [[key] for key in keys[rank::world_size]]
    samples: Iterator[tuple[str, FlowSample]] = _load(
        _HeldOutSamples(held_out), own, operator.itemgetter(0), workers, pin=False
    )
    return samples


def _shares(stage: OpenedStage, start: int, rank: int, world_size: int) -> Iterator[Sequence[Any]]:
    share = stage.stage.batch_size // world_size
    for step in range(start, stage.steps):
        yield stage.samples.keys(step)[rank * share : (rank + 1) * share]


def _drawn(
    section: SyntheticSection | None, keys: Iterable[Sequence[int]], device: torch.device
) -> Iterator[Batch]:
    assert section is not None, "only scenes are drawn"
    renderer = SceneRenderer(section.scenes, section.seed, device, section.photographs)
    for indices in keys:
        drawn = renderer.batch(indices)
        valid = torch.ones(drawn.depth1.shape, dtype=torch.bool, device=device)
        yield Batch(drawn.frame1, drawn.frame2, drawn.flow, valid, tuple(map(renderer.name, indices)))


def _load(
    samples: Any,
    keys: Iterable[Sequence[Any]],
    collate: Callable[[list[Any]], Any],
    workers: int,
    *,
    pin: bool,
) -> Iterator[Any]:
    loader: DataLoader[Any] = DataLoader(
        _ByKey(samples),  # type: ignore[arg-type]
        batch_sampler=keys,  # type: ignore[arg-type]
        num_workers=workers,
        collate_fn=functools.partial(_unless_damaged, collate=collate),
        pin_memory=pin,
        multiprocessing_context=_clean_processes() if workers else None,
        worker_init_fn=_prepare_worker,
        # Its own generator: by default making an iterator draws from the global one, which must be the same
        # in a run that was resumed and one that never stopped.
        generator=torch.Generator(),
    )
    for batch in loader:
        if isinstance(batch, DinoFlowError):
            raise batch
        yield batch


def _unless_damaged(samples: list[Any], collate: Callable[[list[Any]], Any]) -> Any:
    damaged = (sample for sample in samples if isinstance(sample, DinoFlowError))
    return next(damaged, None) or collate(samples)


def _clean_processes() -> ForkServerContext:
    """Loader processes forked from one that never ran a thread.

    A plain fork copies the locks of OpenCV's and CUDA's threads without the threads, and waits on them for
    ever. What a loader needs is imported once, by the server.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    # Ctrl-C reaches them too, while the training process still wants its next batch.
    with no_interrupts_for_children():
        forkserver.ensure_running()
    return context


def _prepare_worker(worker: int) -> None:
    # One of several: OpenCV's own threads would only crowd the others.
    cv2.setNumThreads(1)
    # Already so, unless the server of another part of this program forked it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _collate(samples: list[FlowSample]) -> Batch:
    return Batch(
        image1=_channels_first([sample.frame1 for sample in samples]),
        image2=_channels_first([sample.frame2 for sample in samples]),
        flow=_channels_first([sample.flow for sample in samples]),
        valid=torch.from_numpy(np.stack([sample.valid for sample in samples])),
        names=tuple(sample.name for sample in samples),
    )


def _channels_first(arrays: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.stack(arrays).transpose(0, 3, 1, 2)))
