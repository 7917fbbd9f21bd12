import os
from pathlib import Path

import pytest

from dinoflow_deploy.system.machine import describe_machine


def test_this_machine() -> None:
    machine = describe_machine()
    assert machine.cores == len(os.sched_getaffinity(0))
    kibibytes = next(line for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
    assert machine.memory_bytes == int(kibibytes.split()[1]) * 1024
    assert os.uname().machine in machine.system
    assert machine.processor


def test_a_processor_that_only_lscpu_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arm's /proc/cpuinfo has no "model name"."""
    lscpu = tmp_path / "lscpu"
    lscpu.write_text("#!/bin/sh\necho 'Vendor ID:  ARM'\necho '  Model name:  Neoverse-V2'\n")
    lscpu.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(Path, "read_text", lambda self, *arguments: "processor : 0\nCPU part : 0xd4f\n")
    assert describe_machine().processor == "Neoverse-V2"
