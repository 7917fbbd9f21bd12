import os
import subprocess
import sys

import pytest

from dinoflow_deploy.errors import InputError, TrainingError
from dinoflow_deploy.train.run_folder import RunFolder

HOLD = """
import sys
from pathlib import Path
from dinoflow_deploy.train.run_folder import RunFolder
with RunFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_held_by_another_process_is_refused_until_it_dies(tmp_path):
    folder = RunFolder(tmp_path / "run")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    refused = pytest.raises(
        TrainingError, match=r"another process is training in .*run: wait for it or stop it"
    )
    with refused, folder.locked():
        pytest.fail("held twice")
    holder.kill()
    holder.communicate()
    with folder.locked():
        pass


def test_a_run_that_did_not_begin_leaves_no_folder_and_takes_none_away(tmp_path):
    def stop_in(folder: RunFolder, *, begun: bool) -> None:
        with folder.locked():
            if begun:
                folder.tensorboard.mkdir()
            raise KeyboardInterrupt

    (tmp_path / "mine").mkdir()
    for name in ("new", "mine", "begun"):
        with pytest.raises(KeyboardInterrupt):
            stop_in(RunFolder(tmp_path / name), begun=name == "begun")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["begun", "mine"]
    assert sorted(path.name for path in (tmp_path / "begun").iterdir()) == ["lock", "tensorboard"]


@pytest.mark.parametrize("name", ["best", "last"])
def test_a_model_that_a_run_would_replace_is_refused_before_the_work(tmp_path, name):
    folder = RunFolder(tmp_path)
    model = getattr(folder, name)
    model.touch()
    with pytest.raises(TrainingError, match=f"{name}.safetensors exists, and this run would replace it"):
        folder.check(resume=False, init_from=model)
    folder.check(resume=True, init_from=None)


def test_a_folder_where_nothing_can_be_written_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is not a folder"):
        RunFolder(tmp_path / "file").check(resume=False, init_from=None)


def test_a_folder_that_cannot_be_locked_is_not_called_busy(tmp_path, monkeypatch):
    def no_locks(*_: object) -> None:
        raise OSError(37, os.strerror(37))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(OSError, match="No locks available"), RunFolder(tmp_path).locked():
        pass


def test_an_output_that_is_a_file_is_named(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OSError, match="run"), RunFolder(tmp_path / "run").locked():
        pass
