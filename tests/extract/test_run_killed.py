"""The command, killed at any moment and run again, leaves what a run that nothing disturbs leaves."""

import hashlib
import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet
import pytest

from dinoflow_deploy.extract import run
from tests.processes import descendants
from tests.video.clips import write_clip

pytestmark = pytest.mark.slow

CLIPS = 6


@pytest.fixture
def clips(tmp_path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    first = write_clip(folder / "0.mp4", frames=150, size=(32, 32))
    for number in range(1, CLIPS):
        (folder / f"{number}.mp4").write_bytes(first.read_bytes())
    return folder


def rows(folder: Path) -> list[dict]:
    path = folder / "manifest.jsonl"
    text = path.read_text() if path.exists() else ""
    # The last line may be half written.
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def flow(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.mkv")}


def start(engine, clips: Path, output: Path, workers: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dinoflow_deploy", "extract", str(clips), "--output", str(output)]
    options = ["--model", engine.model, "--backend", engine.backend, "--device", "cpu", "--workers"]
    return subprocess.Popen(
        [*command, *options, str(workers)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_rows(process: subprocess.Popen[str], output: Path, count: int) -> None:
    while len(rows(output)) < count:
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"it ended: {process.wait(0.02)}, {process.communicate()}")


def test_kill_and_ctrl_c_lose_nothing_that_was_finished(engine, clips, tmp_path, extract_here) -> None:
    output = tmp_path / "out"
    process = start(engine, clips, output)
    wait_for_rows(process, output, 1)
    started = descendants(process.pid)
    process.kill()
    process.communicate()
    # Processes of a run that was killed do not go on.
    for pid in started:
        with suppress(ProcessLookupError):
            select.select([os.pidfd_open(pid)], [], [])
    first = {row["name"]: row for row in rows(output)}
    times = {name: (output / row["file"]).stat().st_mtime_ns for name, row in first.items()}
    assert 1 <= len(first) < CLIPS

    process = start(engine, clips, output)
    wait_for_rows(process, output, len(first) + 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert "stopping: clips that are being computed are given up, and what is finished is kept" in err
    assert "next: the same command goes on" in out
    second = rows(output)
    assert pyarrow.parquet.read_table(output / "manifest.parquet").to_pylist() == second
    assert len(second) < CLIPS

    process = start(engine, clips, output, 2)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert f"flow of {CLIPS - len(second)} clips of {CLIPS}, {len(second)} done before" in out
    found = {row["name"]: row for row in rows(output)}
    assert len(rows(output)) == len(found) == CLIPS
    assert all(found[name] == row for name, row in first.items()), "what was done is left alone"
    assert all((output / first[name]["file"]).stat().st_mtime_ns == time for name, time in times.items())
    assert not [path for path in output.iterdir() if ".partial" in path.name]

    # By one process, with another number of threads.
    run.extract([str(clips)], tmp_path / "here", engine)
    assert flow(output) == flow(tmp_path / "here")
    assert {row["file_sha256"] for row in found.values()} == set(flow(output).values())
