"""Clips shared out by Ray, on a real cluster of two nodes, of which one is killed."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from dinoflow_deploy.errors import EngineError
from dinoflow_deploy.extract import run
from tests.extract.test_run_killed import flow
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


def test_a_node_that_dies_costs_no_clip(engine, tmp_path, cluster, monkeypatch) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    first = write_clip(clips / "0.mp4", frames=120, size=(32, 32))
    for number in range(1, 10):
        (clips / f"{number}.mp4").write_bytes(first.read_bytes())
    (clips / "bad.mp4").write_bytes(b"no video")

    class KillsANode:
        """With the second row, of eleven."""

        killer: Thread | None = None
        rows = 0

        def start(self, *_): ...
        def note(self, _): ...
        def finish(self): ...

        def advance(self, amount=1.0, **_):
            self.rows += round(amount)
            if self.rows >= 2 and self.killer is None:
                kill = {"node": cluster.second, "allow_graceful": False}
                self.killer = Thread(target=cluster.remove_node, kwargs=kill)
                self.killer.start()

    progress = KillsANode()
    output = tmp_path / "out"
    report = run.extract([str(clips)], output, engine, ray=cluster.address, progress=progress)
    assert progress.killer is not None
    progress.killer.join()
    assert report.workers == "2 actors of Ray on 2 machine(s)"
    assert (report.clips, report.done, len(report.failures)) == (11, 10, 1)
    rows = [json.loads(line) for line in (output / "manifest.jsonl").read_text().splitlines()]
    assert sorted(row["name"] for row in rows) == sorted(path.name for path in clips.iterdir())

    alone = run.extract([str(clips)], tmp_path / "alone", engine)
    assert alone.done == 10
    assert flow(output) == flow(tmp_path / "alone")
    assert len(flow(output)) == 10
    # And Ray has nothing left to do.
    assert run.extract([str(clips)], output, engine, ray="nowhere:1").skipped == 10


def test_a_cluster_that_is_not_there_is_said(engine, clips, tmp_path) -> None:
    with pytest.raises(EngineError, match=r"the Ray cluster at localhost:9 cannot be reached: .*refused"):
        run.extract([str(clips)], tmp_path / "out", engine, ray="localhost:9")
    assert Path(tmp_path / "out/manifest.jsonl").read_text() == ""
    assert "RAY_ADDRESS" not in os.environ
