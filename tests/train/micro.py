"""A model and runs small enough to train many times in one test session."""

import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dinoflow_deploy.models.registry import MODELS, Model, register_model
from dinoflow_deploy.progress import NoProgress
from dinoflow_deploy.train.distributed import Process
from dinoflow_deploy.train.model import BackboneConfig, HeadConfig
from dinoflow_deploy.train.model.config import BACKBONES
from dinoflow_deploy.train.recipe import Recipe, load_recipe
from tests.train.tiny_recipe import write_tiny_recipe

CPU = Process(0, 1, torch.device("cpu"))


def register_micro() -> None:
    """Make ``micro`` a backbone like ``nano``, much smaller."""
    BACKBONES["micro"] = BackboneConfig(width=16, depth=4, heads=2, rope_rescale=2.0, layer_scale=1.0)
    decoder = HeadConfig(width=8, radius=2, groups=2, output_widths=(8, 8))
    register_model(Model(name="micro", backbone="micro", decoder=decoder))


@pytest.fixture(scope="module")
def micro() -> Iterator[str]:
    """The name of the smallest backbone, registered for the tests of one module.

    They run on one thread: at this size several wait for one another longer than they compute.
    """
    register_micro()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield "micro"
    torch.set_num_threads(threads)
    del BACKBONES["micro"], MODELS["micro"]


@pytest.fixture
def at_a_terminal() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt; a process started in the background may ignore it."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


def micro_recipe(folder: Path, *, workers: int = 0, **replacements: str) -> Recipe:
    """The tiny recipe with the smallest backbone."""
    values = {"backbone": '"micro"', "autocast": '"off"'} | replacements
    return load_recipe(str(write_tiny_recipe(folder, workers=workers, **values)))


def compiled_recipe(folder: Path) -> Recipe:
    """The same compiled, under the loss that reaches least of the model, in parts, BatchNorm frozen last."""
    recipe = micro_recipe(folder)
    values = {"flow_weight": 0.0, "matching_weight": 1.0, "micro_batch": 1}
    stages = [dataclasses.replace(stage, **values) for stage in recipe.stages]
    return dataclasses.replace(
        recipe,
        optimizer=dataclasses.replace(recipe.optimizer, compile=True),
        stages=(*stages[:-1], dataclasses.replace(stages[-1], freeze_batch_norm=True, batch_size=2)),
    )


class Recorder(NoProgress):
    """Keeps what a run reports."""

    def __init__(self) -> None:
        self.figures: list[dict[str, float]] = []
        self.notes: list[str] = []

    def advance(self, amount: float = 1.0, **figures: float) -> None:
        self.figures.append(figures)

    def note(self, message: str) -> None:
        self.notes.append(message)


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    """Every tensor of one is bit for bit that of the other."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
