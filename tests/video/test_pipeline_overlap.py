"""An engine for which two calls at a time are worth making is given the next pair while it computes one."""

from pathlib import Path
from threading import Barrier, Event, Lock, active_count

import numpy as np
import pytest

from dinoflow_deploy.errors import EngineError
from dinoflow_deploy.flow import read_flow
from dinoflow_deploy.progress import NoProgress
from dinoflow_deploy.video import VideoOptions, flow_video
from tests.video.clips import ConstantEngine, NumberedSource, PausedSource

PAIRS = 9
PATIENCE = 20.0


class PairedEngine(ConstantEngine):
    """Computes two pairs at a time, the later one first; u is the number of a pair's first frame."""

    calls_at_once = 2

    def __init__(self, fails_at: int | None = None) -> None:
        super().__init__()
        self.most = self.now = 0
        self._fails_at = fails_at
        self._both, self._later_is_done, self._counting = Barrier(2), Event(), Lock()

    def _run(self, images1: np.ndarray, images2: np.ndarray) -> np.ndarray:
        number = round(float(images1.max()) * 255)
        with self._counting:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            self._wait_for_the_other(number)
            if number == self._fails_at:
                raise EngineError(f"pair {number} failed")
        finally:
            with self._counting:
                self.now -= 1
        flow = np.zeros((len(images1), 2, *images1.shape[2:]), np.float32)
        flow[:, 0] = number
        return flow

    def _wait_for_the_other(self, number: int) -> None:
        """The last of an odd number of pairs has none, nor has one after a failure."""
        if number == PAIRS - 1 or (self._fails_at is not None and number > self._fails_at):
            return
        self._both.wait(PATIENCE)
        if number % 2:
            self._later_is_done.set()
        else:
            assert self._later_is_done.wait(PATIENCE)
            self._later_is_done.clear()


def test_pairs_come_out_in_order(tmp_path: Path) -> None:
    engine = PairedEngine()
    folder = tmp_path / "flow"
    options = VideoOptions(save_flow=folder, flow_format="npy")
    report = flow_video(NumberedSource(PAIRS + 1), engine, None, options)
    assert report.pairs == PAIRS
    assert engine.most == 2
    flows = [read_flow(path)[0] for path in sorted(folder.iterdir())]
    assert [float(flow[0, 0, 0]) for flow in flows] == list(range(PAIRS))


def test_an_error_of_the_later_pair_ends_the_clip_and_leaves_nothing(tmp_path: Path) -> None:
    threads = active_count()
    with pytest.raises(EngineError, match="pair 3 failed"):
        flow_video(NumberedSource(PAIRS + 1), PairedEngine(fails_at=3), tmp_path / "flow.mp4")
    assert list(tmp_path.iterdir()) == []
    assert active_count() == threads


def test_what_was_begun_when_the_user_stops_is_kept(tmp_path: Path) -> None:
    stop = Event()

    class StoppedEngine(ConstantEngine):
        calls_at_once = 2

        def _run(self, images1: np.ndarray, images2: np.ndarray) -> np.ndarray:
            number = round(float(images1.max()) * 255)
            if number == 3:
                stop.set()
            flow = super()._run(images1, images2)
            flow[:, 0] = number
            return flow

    folder = tmp_path / "flow"
    options = VideoOptions(save_flow=folder, flow_format="npy")
    report = flow_video(NumberedSource(200), StoppedEngine(), None, options, stop=stop)
    assert report.interrupted
    assert 4 <= report.pairs < 20
    flows = [read_flow(path)[0] for path in sorted(folder.iterdir())]
    assert [float(flow[0, 0, 0]) for flow in flows] == list(range(report.pairs))


def test_of_a_live_source_no_flow_waits_for_a_later_frame(tmp_path: Path) -> None:
    computed = Event()

    class Elsewhere(ConstantEngine):
        calls_at_once = 2

    class Told(NoProgress):
        def advance(self, amount: float = 1.0, **figures: float) -> None:
            computed.set()

    report = flow_video(PausedSource(4, computed), Elsewhere(), tmp_path / "flow.mp4", progress=Told())
    assert report.pairs == 3
