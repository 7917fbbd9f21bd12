import os
import platform
import resource
import subprocess
import sys
from typing import Self

import numpy as np
import pytest

from dinoflow_deploy.system.freed_memory import keep_freed_memory
from dinoflow_deploy.system.worker_process import WorkerProcess

GLIBC = platform.libc_ver()[0] == "glibc"

PROGRAM = """
import resource, sys
import numpy as np
from dinoflow_deploy.system.freed_memory import keep_freed_memory
mode, mib = sys.argv[1:]
said = None if mode == "default" else keep_freed_memory(of_any_size=mode == "any size")
def use():
    # Freed in the order in which layers are: what came last goes first.
    first, second = (np.ones(int(mib) << 20, np.uint8) for _ in range(2))
    return first[0] + second[0]
for _ in range(4):
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(said, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str, mib: int) -> tuple[str, int]:
    """What the function said, and page faults of ten calls that allocate and free two blocks."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode, str(mib)],
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    )
    said, count = done.stdout.split()
    return said, int(count)


@pytest.mark.skipif(not GLIBC, reason="the C library is not glibc")
@pytest.mark.parametrize(("mode", "mib"), [("up to 32 MiB", 30), ("any size", 30), ("any size", 100)])
def test_blocks_are_taken_again_without_page_faults(mode: str, mib: int) -> None:
    said, kept = faults(mode, mib)
    assert said == "True"
    assert kept < faults("default", mib)[1] / 10


@pytest.mark.skipif(not GLIBC, reason="the C library is not glibc")
@pytest.mark.parametrize(
    "variable",
    [
        {"MALLOC_TRIM_THRESHOLD_": "131072"},
        {"GLIBC_TUNABLES": "glibc.malloc.arena_max=2:glibc.malloc.mmap_threshold=131072"},
    ],
)
def test_what_the_user_has_set_stays(variable: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    assert not keep_freed_memory()


class Allocating:
    """Allocates and frees blocks, and counts page faults."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def faults(self) -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        first, second = (np.ones(30 << 20, np.uint8) for _ in range(2))
        assert first[0] == second[0]
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not GLIBC, reason="the C library is not glibc")
def test_processes_of_engines_and_workers_keep_it() -> None:
    process = WorkerProcess("the test", Allocating)
    try:
        first, *_, last = (process.call("faults") for _ in range(4))
    finally:
        process.finish()
    assert last < first / 10
