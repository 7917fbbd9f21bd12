"""What a benchmark keeps when a part of it fails, dies or is stopped."""

import json
import os
import signal
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from dinoflow_deploy.errors import EngineError, InputError
from tests.benchmarks.test_scripts import SCRIPTS

pytestmark = pytest.mark.slow


def read(path: Path) -> dict:
    return json.loads(path.read_text())


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "record.json"


def measure_three(output: Path, shown: list[dict]) -> None:
    from recording import Record

    with Record(Namespace(output=output, rounds=2), shown.append, found=[]) as record:
        for name in ("one", "two", "three"):
            entry = {"name": name}
            with record.attempt(name, entry, record.results["found"]):
                if name == "two":
                    raise RuntimeError("CUDA error 700:\nillegal address")
                entry["ms"] = 1.5
            assert read(output)["found"][-1] == entry


def test_the_file_is_complete_after_each_step_and_a_failure_ends_in_exit_code_1(output, capsys):
    shown: list[dict] = []
    with pytest.raises(SystemExit, match="error: 1 failed, the first: two: unexpected RuntimeError"):
        measure_three(output, shown)
    reason = "unexpected RuntimeError: CUDA error 700: illegal address"
    assert read(output)["found"] == [
        {"name": "one", "ms": 1.5},
        {"name": "two", "failed": reason},
        {"name": "three", "ms": 1.5},
    ]
    assert read(output)["failures"] == [["two", reason]]
    assert read(output)["settings"] == {"rounds": 2}
    assert [each["found"] for each in shown] == [read(output)["found"]]
    assert f"two failed: {reason}" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    with pytest.raises(SystemExit, match=f"error: {tmp_path} is a folder: give a file name"):
        measure_three(tmp_path, [])


def test_a_row_says_why_there_are_no_figures():
    from recording import row

    header = ("variant", "ms", "pairs/s", "MiB")
    assert row({}, ["one"], header, lambda: ["1", "2", "3"]) == ["one", "1", "2", "3"]
    assert row({"failed": "no"}, ["one"], header, list) == ["one", "-", "-", "failed: no"]
    assert row({"not_run": "no GPU"}, ["one"], header, list) == ["one", "-", "-", "not run: no GPU"]


_STOPPED = """
import signal, sys
from argparse import Namespace
from pathlib import Path
from recording import Record

arguments = Namespace(output=Path(sys.argv[1]))
with Record(arguments, print, lambda found: [("all", str(found))], found=[]) as record:
    with record.attempt("one", {}, record.results["found"]):
        pass
    with record.attempt("two", {}, record.results["found"]):
        print("waiting", flush=True)
        signal.pause()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_is_done_survives_a_signal(output, number, code):
    process = subprocess.Popen(
        [sys.executable, "-c", _STOPPED, output],
        cwd=SCRIPTS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n", process.communicate()
    assert read(output)["found"] == [{}]
    process.send_signal(number)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    assert "interrupted: the others were not measured" in errors
    assert "'found': [{}]" in printed
    assert read(output)["interrupted"] is True
    assert read(output)["found"] == [{}]
    assert read(output)["figures"][0][0] == "all"


def test_a_function_that_dies_takes_nothing_else_with_it():
    from aside import Aside

    with Aside("the kernel") as aside:
        first = aside.run(os.getpid)
        assert aside.run(os.getpid) == first != os.getpid()
        with pytest.raises(EngineError, match="the kernel's process ended with exit code 3"):
            aside.run(os._exit, 3)
        second = aside.run(os.getpid)
        assert second not in (first, os.getpid())
        with pytest.raises(EngineError, match="the kernel failed: unexpected SystemExit: it cannot"):
            aside.run(sys.exit, "it cannot")
        with pytest.raises(InputError, match="'fp8'"):
            aside.run(_refuse)
        assert aside.run(os.getpid) != second


def _refuse() -> None:
    raise InputError("the type is 'fp8'")
