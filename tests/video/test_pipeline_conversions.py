"""Each frame of a clip is converted and padded once, though it is in two pairs."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from dinoflow_deploy.engines import FlowEngine, load_engine
from dinoflow_deploy.flow import read_flow
from dinoflow_deploy.video import VideoOptions, flow_stream, flow_video
from tests.video.clips import NumberedSource

FRAMES = 5


class NoiseSource(NumberedSource):
    """Frames that differ in every pixel, of a size that has to be padded."""

    def __init__(self) -> None:
        super().__init__(FRAMES)
        self.images = np.random.default_rng(0).integers(0, 256, (FRAMES, 50, 70, 3), dtype=np.uint8)

    def frames(self, selection):
        for frame in super().frames(selection):
            yield replace(frame, image=self.images[frame.index])


@pytest.fixture(scope="module", params=["nano", "opencv-dis"])
def engine(request):
    with load_engine(request.param, device="cpu") as engine:
        yield engine


@pytest.fixture
def conversions(engine: FlowEngine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of frames in each conversion."""
    counted: list[int] = []
    convert = type(engine)._images

    def count(self, frames, padding, batch):
        counted.append(len(frames))
        return convert(self, frames, padding, batch)

    monkeypatch.setattr(type(engine), "_images", count)
    return counted


@pytest.mark.parametrize("both", [False, True])
def test_in_a_loop(engine: FlowEngine, conversions: list[int], both: bool) -> None:
    source = NoiseSource()
    results = list(flow_stream(source, engine, backward=both))
    assert conversions == [1] * FRAMES
    for result, (first, second) in zip(results, itertools.pairwise(source.images), strict=True):
        np.testing.assert_array_equal(result.flow, engine(first, second))
        if both:
            np.testing.assert_array_equal(result.backward, engine(second, first))
    assert len({result.flow.tobytes() for result in results}) == FRAMES - 1


def test_in_a_file(engine: FlowEngine, conversions: list[int], tmp_path) -> None:
    source = NoiseSource()
    flow_video(source, engine, None, VideoOptions(save_flow=tmp_path / "flow", flow_format="npy"))
    assert conversions == [1] * FRAMES
    for index, (first, second) in enumerate(itertools.pairwise(source.images)):
        saved, _ = read_flow(tmp_path / "flow" / f"{index:06d}.npy")
        np.testing.assert_array_equal(saved, engine.batch(first[None], second[None])[0])


def test_a_single_pair_converts_both(engine: FlowEngine, conversions: list[int]) -> None:
    engine(*NoiseSource().images[:2])
    assert conversions == [1, 1]
