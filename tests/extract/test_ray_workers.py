"""Clips shared out by Ray, on a real cluster of two nodes, of which one is killed."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import pytest

from dinoflow_deploy.errors import EngineError
from dinoflow_deploy.extract import run
from tests.extract.test_run_killed import flow
from tests.processes import descendants
from tests.video.clips import write_clip

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture
def cluster(monkeypatch) -> Iterator[object]:
    """A head and another node, with a CPU each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**small, "include_dashboard": False})
    try:
        cluster.second = cluster.add_node(**small)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def kill_when_both_compute(cluster: object, output: Path, ended: Event) -> None:
    """Kill the second node as soon as each of the two actors is within a clip, where it is stopped."""
    stopped: dict[Path, int] = {}
    while len(stopped) < 2 and not ended.wait(0.02):
        for partial in output.glob(".*.partial.mkv"):
            process = None if partial in stopped else writer_of(partial)
            if process is not None:
                os.kill(process, signal.SIGSTOP)
                stopped[partial] = process
    raylet = cluster.second.all_processes["raylet"][0].process.pid
    started = descendants(raylet)
    cluster.remove_node(cluster.second, allow_graceful=False)
    # A machine that dies takes along what Ray started there.
    for pid in started:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in stopped.values():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def writer_of(path: Path) -> int | None:
    """The process that has a file open."""
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if descriptor.readlink() == path:
                return int(descriptor.parts[2])
    return None


def test_a_node_that_dies_costs_no_clip(engine, tmp_path, cluster) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("0.mp4", "1.mp4"):
        write_clip(clips / name, frames=300, size=(32, 32))
    for name in ("2.mp4", "3.mp4", "4.mp4"):
        write_clip(clips / name, frames=12, size=(32, 32))
    (clips / "bad.mp4").write_bytes(b"no video")
    output, ended = tmp_path / "out", Event()
    killer = Thread(target=kill_when_both_compute, args=(cluster, output, ended))
    killer.start()
    try:
        report = run.extract([str(clips)], output, engine, ray=cluster.address)
        assert not killer.is_alive(), "both were within a clip"
    finally:
        ended.set()
        killer.join()
    assert report.workers == "2 actors of Ray on 2 machine(s)"
    assert (report.clips, report.done, len(report.failures)) == (6, 5, 1)
    rows = [json.loads(line) for line in (output / "manifest.jsonl").read_text().splitlines()]
    assert sorted(row["name"] for row in rows) == sorted(path.name for path in clips.iterdir())

    alone = run.extract([str(clips)], tmp_path / "alone", engine)
    assert alone.done == 5
    assert flow(output) == flow(tmp_path / "alone")
    assert len(flow(output)) == 5
    # And Ray has nothing left to do.
    assert run.extract([str(clips)], output, engine, ray="nowhere:1").skipped == 5


def test_a_cluster_that_is_not_there_is_said(engine, clips, tmp_path) -> None:
    with pytest.raises(EngineError, match=r"the Ray cluster at localhost:9 cannot be reached: .*refused"):
        run.extract([str(clips)], tmp_path / "out", engine, ray="localhost:9")
    assert Path(tmp_path / "out/manifest.jsonl").read_text() == ""
    assert "RAY_ADDRESS" not in os.environ
