import pytest

from dinoflow_deploy.system.memory import available_memory


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
