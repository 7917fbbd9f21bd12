"""From data sets to batches of tensors, in an order that depends on seed and step alone."""

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dinoflow_deploy.datasets import FlowSample, SyntheticScenes
from dinoflow_deploy.train.recipe import Recipe, Stage, SyntheticSection, ValidationSection


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

    def to(self, device: torch.device) -> "Batch":
        """The same on a device, images as float in [0, 1]."""
        image1, image2, flow, valid = (tensor.to(device, non_blocking=True) for tensor in self._tensors())
        return Batch(image1.float() / 255, image2.float() / 255, flow, valid, self.names)

    def _tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.image1, self.image2, self.flow, self.valid


class _Samples:
    """A data set under the protocol of torch's loader."""

    def __init__(self, scenes: SyntheticScenes) -> None:
        self.scenes = scenes

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> FlowSample:
        return self.scenes[index]


def training_batches(
    recipe: Recipe, first_step: int, rank: int, world_size: int, *, pin: bool
) -> Iterator[tuple[Stage, Batch]]:
    """Stage and this process's share of the batch, for every step from ``first_step`` to the last.

    Scenes are numbered through: step s of a stage takes the ``batch_size`` scenes from ``s * batch_size`` on,
    and rank r the r-th part of them. So a resumed run sees what the first would have seen.
    """
    done = 0
    for stage in recipe.stages:
        start = max(first_step - done, 0)
        done += stage.steps
        if start < stage.steps:
            scenes = _scenes(stage.synthetic, stage.steps * stage.batch_size)
            shares = _shares(stage, start, rank, world_size)
            yield from ((stage, batch) for batch in _load(scenes, shares, recipe.workers, pin=pin))


def validation_batches(
    section: ValidationSection, rank: int, world_size: int, workers: int
) -> Iterator[Batch]:
    """This process's share of the held-out pairs, one pair a batch."""
    indices = [[index] for index in range(rank, section.pairs, world_size)]
    return _load(_scenes(section.synthetic, section.pairs), indices, workers, pin=False)


def _scenes(section: SyntheticSection, length: int) -> SyntheticScenes:
    return SyntheticScenes(section.scenes, section.seed, length)


def _shares(stage: Stage, start: int, rank: int, world_size: int) -> list[range]:
    share = stage.batch_size // world_size
    first = rank * share
    return [
        range(step * stage.batch_size + first, step * stage.batch_size + first + share)
        for step in range(start, stage.steps)
    ]


def _load(
    scenes: SyntheticScenes, indices: Sequence[Sequence[int]], workers: int, *, pin: bool
) -> Iterator[Batch]:
    loader: DataLoader[Batch] = DataLoader(
        _Samples(scenes),  # type: ignore[arg-type]
        batch_sampler=indices,  # type: ignore[arg-type]
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin,
        multiprocessing_context=_clean_processes() if workers else None,
        worker_init_fn=_prepare_worker,
        # Its own generator: by default making an iterator draws from the global one, which must be the same
        # in a run that was resumed and one that never stopped.
        generator=torch.Generator(),
    )
    return iter(loader)


def _clean_processes() -> ForkServerContext:
    """Loader processes forked from one that never ran a thread.

    A plain fork copies the locks of OpenCV's and CUDA's threads without the threads, and waits on them for
    ever. What a loader needs is imported once, by the server.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _prepare_worker(worker: int) -> None:
    # One of several: OpenCV's own threads would only crowd the others.
    cv2.setNumThreads(1)
    # Ctrl-C reaches loader processes too, while the training process still wants its next batch.
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
