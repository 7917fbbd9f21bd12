import os
import signal
from multiprocessing import active_children
from threading import Event, Thread

import pytest

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.extract.choices import FlowChoices
from dinoflow_deploy.extract.slot import Slot
from dinoflow_deploy.extract.task import Task
from dinoflow_deploy.extract.worker import WorkerSettings
from dinoflow_deploy.flow import FlowClip
from tests.video.clips import write_clip

pytestmark = pytest.mark.slow


def kill_when_computing(slot: Slot, times: int, done: Event) -> None:
    """Kill the process so many times, each after it has computed some pairs more."""
    for _ in range(times):
        before = slot.pairs
        while slot.pairs < before + 3 and not done.wait(0.005):
            pass
        if slot.pid is not None and not done.is_set():
            os.kill(slot.pid, signal.SIGKILL)


def test_a_process_that_dies_costs_its_clip_alone(engine, tmp_path) -> None:
    clips = [write_clip(tmp_path / f"{name}.mp4", frames=300, size=(32, 32)) for name in "ab"]
    tasks = [Task(str(clip), clip.name, str(tmp_path), f"{clip.name}.mkv", None) for clip in clips]
    others = set(active_children())
    slot = Slot(WorkerSettings(engine, FlowChoices(), engine.sha256(), threads=1))
    done = Event()
    killer = Thread(target=kill_when_computing, args=(slot, 3, done))
    killer.start()
    failed, kept = (slot.extract(task) for task in tasks)
    done.set()
    killer.join()
    slot.finish()
    # Killed twice, it is given up; killed once, it is computed again.
    assert failed.error is not None
    assert failed.error.startswith("the worker's process died of SIGKILL")
    assert failed.error.endswith("(tried twice)")
    assert failed.source_bytes == clips[0].stat().st_size
    assert (kept.error, kept.pairs) == (None, 299)
    with FlowClip(tmp_path / "b.mp4.mkv") as clip:
        assert len(clip) == 299
    assert not (tmp_path / "a.mp4.mkv").exists()
    # Those of other tests may end meanwhile.
    assert set(active_children()) <= others


def test_an_engine_that_cannot_be_loaded_is_nobody_s_clip(engine, tmp_path, write_bundle) -> None:
    settings = WorkerSettings(engine, FlowChoices(), engine.sha256())
    os.truncate(f"{engine.model}/model.onnx", 100)
    slot = Slot(settings)
    with pytest.raises(FileFormatError, match=r"model.onnx"):
        slot.extract(Task("a.mp4", "a.mp4", str(tmp_path), "a.mp4.mkv", None))
    slot.kill()
