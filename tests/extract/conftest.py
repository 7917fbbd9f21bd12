"""A model that is loaded in no time, clips of it, and a pool that computes in this process."""

import shutil
from collections.abc import Callable
from multiprocessing.sharedctypes import RawValue
from pathlib import Path

import pytest

from dinoflow_deploy.extract import run
from dinoflow_deploy.extract.choices import FlowChoices
from dinoflow_deploy.extract.engine_choice import EngineChoice
from dinoflow_deploy.extract.report import ExtractReport
from dinoflow_deploy.extract.worker import Worker, WorkerSettings
from tests.video.clips import write_clip

Extract = Callable[..., ExtractReport]


@pytest.fixture
def engine(write_bundle) -> EngineChoice:
    """The flow is (red, green) of the second frame less the first, in levels."""
    return EngineChoice(str(write_bundle("model")), "onnxruntime", "cpu")


@pytest.fixture(scope="session")
def three_clips(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("three")
    (folder / "sub").mkdir()
    for name, frames in (("a.mp4", 4), ("b.mp4", 5), ("sub/a.mp4", 6)):
        write_clip(folder / name, frames=frames)
    return folder


@pytest.fixture
def clips(three_clips, tmp_path) -> Path:
    """A folder with three clips of 4, 5 and 6 frames."""
    return Path(shutil.copytree(three_clips, tmp_path / "clips"))


class Here:
    """Workers without a process of their own."""

    description = "here"

    def __init__(self, settings: WorkerSettings) -> None:
        self.computed: list[str] = []
        self._counter = RawValue("Q", 0)
        self._settings = settings

    @property
    def pairs(self) -> int:
        return self._counter.value

    def rows(self, tasks, stop):
        with Worker(self._settings, self._counter) as worker:
            for task in tasks:
                if stop.is_set():
                    return
                self.computed.append(task.name)
                yield worker.extract(task)


@pytest.fixture
def here(monkeypatch) -> list[Here]:
    """Clips are computed in this process; gives the pools that did it."""
    pools: list[Here] = []

    def make_here(settings: WorkerSettings, workers: int | None, ray: str | None) -> Here:
        pools.append(Here(settings))
        return pools[-1]

    monkeypatch.setattr(run, "make_workers", make_here)
    return pools


@pytest.fixture
def extract_here(engine, clips, tmp_path, here) -> Extract:
    """Extract the clips into the folder ``flow``; keyword arguments of ``FlowChoices`` and of ``extract``."""

    def extract(**given: object) -> ExtractReport:
        names = {name for name in given if name in FlowChoices.__dataclass_fields__}
        choices = FlowChoices(**{name: given.pop(name) for name in names})
        inputs = given.pop("inputs", [str(clips)])
        return run.extract(inputs, tmp_path / "flow", given.pop("engine", engine), choices, **given)

    return extract
