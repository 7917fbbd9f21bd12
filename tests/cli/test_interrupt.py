import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = """
import sys, time
from pathlib import Path
from dinoflow_deploy.doctor import examination
from dinoflow_deploy.atomic import atomic_folder
from dinoflow_deploy.cli.app import app, main

def wait():
    print("ready", flush=True)
    time.sleep(60)

@app.command()
def make():
    with atomic_folder(Path("bundle"), overwrite=False) as partial:
        (partial / "model.onnx").touch()
        wait()

examination.examine = wait
main()
"""


def stop(number: int, command: str, folder: Path, **environment: str) -> tuple[int, str]:
    """Exit code and errors of a command that a signal meets at work."""
    # Also where the tests themselves run with Ctrl-C ignored, as a shell's background jobs do.
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **heeds,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    return process.returncode, errors


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [(signal.SIGINT, 130, "interrupted\n"), (signal.SIGTERM, 143, "terminated\n")],
)
def test_what_is_not_complete_is_removed(number: int, code: int, message: str, tmp_path: Path) -> None:
    assert stop(number, "make", tmp_path) == (code, message)
    assert list(tmp_path.iterdir()) == []


def test_a_process_of_torchrun_ends_where_it_stands(tmp_path: Path) -> None:
    assert stop(signal.SIGTERM, "make", tmp_path, TORCHELASTIC_RUN_ID="1") == (-signal.SIGTERM, "")


def test_a_doctor_that_waits_for_a_driver_ends_where_it_stands(tmp_path: Path) -> None:
    code, _ = stop(signal.SIGTERM, "doctor", tmp_path)
    assert code == -signal.SIGTERM
