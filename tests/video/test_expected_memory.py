import re
from dataclasses import replace

import numpy as np
import pytest

from dinoflow_deploy.engines.memory_estimate import estimated_memory
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.progress import NoProgress
from dinoflow_deploy.video import VideoOptions, expected_memory, flow_stream, flow_video, pipeline
from dinoflow_deploy.video.compute_size import PairFlow
from dinoflow_deploy.video.expected_memory import check_memory
from dinoflow_deploy.video.frame_source import fitted_size
from tests.video.clips import ConstantEngine, NumberedSource

NANO = replace(ConstantEngine().describe(), model="nano", backend="onnxruntime")
FULL_HD = estimated_memory(NANO, 1080, 1920)


class NanoEngine(ConstantEngine):
    """Computes nothing that takes memory, under the name of a model that does."""

    def describe(self):
        return NANO


class Notes(NoProgress):
    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)


@pytest.fixture
def memory(monkeypatch):
    """Say how much is available."""
    return lambda size: monkeypatch.setattr(expected_memory, "available_memory", lambda: int(size))


@pytest.mark.parametrize("share", [0.85, 0.5, 0.1])
def test_what_does_not_fit_is_refused_with_a_size_that_does(memory, share):
    available = share * FULL_HD
    memory(available)
    with pytest.raises(InputError, match=r"nano takes about 2\.4 GiB .* 1920x1080") as refused:
        check_memory(NANO, 1920, 1080)
    side = int(re.search(r"--max-side (\d+) --full-size", str(refused.value))[1])
    width, height = fitted_size(1920, 1080, side)
    check_memory(NANO, width, height)
    assert 0.75 * available < estimated_memory(NANO, height, width) <= available


def test_what_might_fit_is_never_refused_and_much_is_said(memory):
    memory(0.95 * FULL_HD)
    assert re.search(r"2\.4 GiB .* 1920x1080", check_memory(NANO, 1920, 1080))
    memory(3 * FULL_HD)
    assert check_memory(NANO, 1920, 1080) is None


def test_where_no_size_fits_none_is_advised(memory):
    memory(0)
    with pytest.raises(InputError, match="available: free some"):
        check_memory(NANO, 1920, 1080)


def test_pairs_at_once_take_as_many_times_the_memory(memory):
    memory(2.6 * FULL_HD)
    with pytest.raises(InputError, match=r"19 GiB .* 1920x1080 in batches of 8.*: take a batch of at most 2"):
        check_memory(NANO, 1920, 1080, 8)
    said = check_memory(NANO, 1920, 1080, 2)
    assert said.endswith("available; a smaller batch or --max-side takes less")
    memory(0.5 * FULL_HD)
    with pytest.raises(InputError, match="shrink them"):
        check_memory(NANO, 1920, 1080, 2)


@pytest.mark.parametrize("other", [{"device": "cuda"}, {"model": "mine"}, {"precision": "fp16"}])
def test_what_was_not_measured_is_not_judged(memory, other):
    memory(0)
    assert check_memory(replace(NANO, **other), 1920, 1080) is None


def test_a_clip_is_refused_before_the_first_pair_and_taken_at_the_advised_size(tmp_path, memory):
    memory(0.5 * FULL_HD)
    engine, output = NanoEngine(), tmp_path / "flow.mp4"
    with pytest.raises(InputError, match="--max-side"):
        flow_video(NumberedSource(3, (1920, 1080)), engine, output)
    with pytest.raises(InputError, match="--max-side"):
        next(flow_stream(NumberedSource(3, (1920, 1080)), engine))
    assert engine.seen == []
    assert list(tmp_path.iterdir()) == []
    options = VideoOptions(compute_side=1280, max_flow=8)
    flow_video(NumberedSource(2, (1920, 1080)), engine, output, options)
    assert len(engine.seen) == 1


@pytest.mark.parametrize(("limit", "said"), [(0, 1), (3600, 0)])
def test_long_work_is_said_once_after_the_first_pair(tmp_path, monkeypatch, limit, said):
    monkeypatch.setattr(pipeline, "WORTH_WAITING", limit)
    notes = Notes()
    flow_video(NumberedSource(5), ConstantEngine(), tmp_path / "flow.mp4", progress=notes)
    assert [bool(re.match("the first of 4 pairs took", note)) for note in notes.notes] == [True] * said


def test_frames_of_one_size_are_judged_once(memory):
    memory(1.5 * FULL_HD)
    notes = Notes()
    flow_of = PairFlow(NanoEngine(), None, notes)
    frames = np.zeros((2, 1080, 1920, 3), np.uint8)
    for _ in range(2):
        flow_of(*frames)
    assert len(notes.notes) == 1


def test_a_batch_is_judged_by_the_pairs_that_there_are(memory):
    memory(2.6 * FULL_HD)
    with pytest.raises(InputError, match="in batches of 8"):
        next(flow_stream(NumberedSource(20, (1920, 1080)), NanoEngine(), batch=8))
    assert len(list(flow_stream(NumberedSource(3, (1920, 1080)), NanoEngine(), batch=8))) == 2
