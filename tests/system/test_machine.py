import os
from pathlib import Path

import pytest

from dinoflow_deploy.system.machine import Gpu, available_memory, describe_machine


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put an nvidia-smi first on the path that runs the given shell lines."""

    def install(lines: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{lines}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return install


def test_this_machine() -> None:
    machine = describe_machine()
    assert machine.cores == len(os.sched_getaffinity(0))
    kibibytes = next(line for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
    assert machine.memory_bytes == int(kibibytes.split()[1]) * 1024
    assert os.uname().machine in machine.system
    assert machine.processor


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 4096 << 10),
        ({"memory.max": "max", "memory.current": "9", "memory.stat": "file 1"}, 4096 << 10),
        ({"memory.max": "9000", "memory.current": "5000", "memory.stat": "anon 7\nfile 3000"}, 7000),
        ({"memory.max": "9000", "memory.current": "9500", "memory.stat": "file 0"}, 0),
        (
            {
                "memory/memory.limit_in_bytes": "9000",
                "memory/memory.usage_in_bytes": "5000",
                "memory/memory.stat": "cache 1\ntotal_cache 3000",
            },
            7000,
        ),
    ],
)
def test_available_memory_is_what_the_system_and_the_container_leave(tmp_path, files, expected) -> None:
    (tmp_path / "proc").mkdir()
    meminfo = "MemTotal:  8192 kB\nMemFree:  10 kB\nMemAvailable:  4096 kB\nHugePages_Total:  0\n"
    (tmp_path / "proc/meminfo").write_text(meminfo)
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert available_memory(tmp_path) == expected


def test_gpus_are_those_of_nvidia_smi(nvidia_smi) -> None:
    nvidia_smi(
        'test "$1" = --query-gpu=name,memory.total,compute_cap,driver_version || exit 2\n'
        "echo 'NVIDIA GH200 480GB, 97871, 9.0, 580.65.06'\n"
        "echo 'NVIDIA GB10, [N/A], 12.1, 580.65.06'"
    )
    machine = describe_machine()
    assert machine.gpu_problem is None
    assert machine.gpus == (
        Gpu("NVIDIA GH200 480GB", 97871 * 1024 * 1024, "9.0", "580.65.06"),
        Gpu("NVIDIA GB10", None, "12.1", "580.65.06"),
    )


def test_a_broken_driver_is_told_apart_from_none(nvidia_smi, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia_smi("echo 'NVIDIA-SMI has failed because it could not\ncommunicate with the driver'; exit 9")
    machine = describe_machine()
    assert machine.gpus == ()
    assert machine.gpu_problem == "NVIDIA-SMI has failed because it could not communicate with the driver"
    monkeypatch.setenv("PATH", "")
    machine = describe_machine()
    assert machine.gpus == ()
    assert machine.gpu_problem is None


def test_a_processor_that_only_lscpu_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nvidia_smi
) -> None:
    """Arm's /proc/cpuinfo has no "model name"."""
    nvidia_smi("exit 9")
    lscpu = tmp_path / "lscpu"
    lscpu.write_text("#!/bin/sh\necho 'Vendor ID:  ARM'\necho '  Model name:  Neoverse-V2'\n")
    lscpu.chmod(0o755)
    monkeypatch.setattr(Path, "read_text", lambda self, *arguments: "processor : 0\nCPU part : 0xd4f\n")
    assert describe_machine().processor == "Neoverse-V2"
