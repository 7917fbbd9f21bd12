import os

import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.extract import local_workers
from dinoflow_deploy.extract.choices import FlowChoices
from dinoflow_deploy.extract.engine_choice import EngineChoice
from dinoflow_deploy.extract.local_workers import worker_settings
from dinoflow_deploy.extract.worker import WorkerSettings


def shares(device: str, workers: int | None) -> list[tuple[int | None, str | None]]:
    """Threads and GPU of each worker."""
    settings = WorkerSettings(EngineChoice("nano", device=device), FlowChoices(), "0" * 64)
    return [(each.threads, each.gpu) for each in worker_settings(settings, workers)]


@pytest.fixture
def machine(monkeypatch):
    """A machine of so many cores and GPUs."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def make(cores: int, gpus: int) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
        monkeypatch.setattr(local_workers, "list_gpus", lambda: (("a GPU",) * gpus, None))

    return make


def test_on_a_cpu_cores_are_shared_out(machine) -> None:
    machine(8, 0)
    assert shares("auto", None) == [(None, None)]
    assert shares("cpu", 3) == [(2, None)] * 3
    with pytest.raises(InputError, match=r"workers is 9: this machine has 8 cores"):
        shares("auto", 9)


def test_each_gpu_has_a_worker(machine, monkeypatch) -> None:
    machine(2, 4)
    assert shares("auto", None) == [(1, "0"), (1, "1"), (1, "2"), (1, "3")]
    assert shares("cuda", 2) == [(1, "0"), (1, "1")]
    assert shares("cuda", 5)[-1] == (1, "0")
    assert shares("cuda:1", None) == shares("cpu", None) == [(None, None)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-abc")
    assert shares("auto", None) == [(1, "2"), (1, "GPU-abc")]
