import itertools
import json

import numpy as np
import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import read_flow
from dinoflow_deploy.video import Selection, VideoOptions, flow_stream, flow_video, open_source
from dinoflow_deploy.video.compute_size import PairFlow, resized_flow
from tests.video.clips import ConstantEngine, decode, write_clip


class SizedEngine(ConstantEngine):
    """Notes the size of the frames it is given."""

    def __init__(self):
        super().__init__(u=3, v=2)
        self.sizes = []

    def prepare_frame(self, frame):
        self.sizes.append((frame.shape[1], frame.shape[0]))
        return super().prepare_frame(frame)


@pytest.mark.parametrize(("width", "height"), [(96, 70), (97, 71), (24, 21)])
def test_a_rotation_and_zoom_is_the_same_motion_at_every_size(width, height):
    # A motion linear in the position, whose vectors at any size follow from the frame's edges alone.
    def flow_at(w, h):
        x, y = np.meshgrid((np.arange(w) + 0.5) / w, (np.arange(h) + 0.5) / h)
        return np.stack([w * (0.2 * x - 0.1 * y), h * (0.3 * x + 0.05 * y)], axis=-1).astype(np.float32)

    resized = resized_flow(flow_at(48, 35), width, height)
    assert resized.dtype == np.float32
    # Half a pixel at the border has no neighbours to interpolate between.
    border = 2
    inner = slice(border, -border)
    np.testing.assert_allclose(resized[inner, inner], flow_at(width, height)[inner, inner], atol=1e-3)


def test_frames_are_shrunk_once_and_flow_is_in_pixels_of_the_frames():
    engine = SizedEngine()
    flow_of = PairFlow(engine, 48)
    frames = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), dtype=np.uint8)
    for first, second in itertools.pairwise(frames):
        flow = flow_of(first, second).flow
        assert flow.shape == (64, 96, 2)
        np.testing.assert_allclose(flow[..., 0], 6)
        np.testing.assert_allclose(flow[..., 1], 4)
    assert engine.sizes == [(48, 32)] * 3
    assert flow_of.size == (48, 32)


def test_without_a_limit_or_below_it_flow_is_the_engines():
    frames = np.zeros((2, 32, 48, 3), np.uint8)
    for max_side in (None, 48, 480):
        engine = SizedEngine()
        np.testing.assert_array_equal(PairFlow(engine, max_side)(*frames).flow[0, 0], [3, 2])
        assert engine.sizes == [(48, 32)] * 2


def test_a_clip_is_drawn_and_saved_at_its_own_size(tmp_path):
    clip, engine = write_clip(tmp_path / "clip.mp4"), SizedEngine()
    selection = Selection(count=3)
    options = VideoOptions(
        compute_side=48, max_flow=10, selection=selection, save_flow=tmp_path / "flow", flow_format="npy"
    )
    with open_source([str(clip)]) as source:
        report = flow_video(source, engine, tmp_path / "flow.mp4", options)
    assert (report.flow_width, report.flow_height) == (report.width, report.height) == (96, 64)
    assert (report.computed_width, report.computed_height) == (48, 32)
    assert json.dumps(report.to_dict())
    assert decode(tmp_path / "flow.mp4")[0].shape == (64, 96, 3)
    saved = read_flow(tmp_path / "flow" / "000000.npy")[0]
    np.testing.assert_allclose(saved, np.broadcast_to(np.float32([6, 4]), (64, 96, 2)))
    results = list(flow_stream(clip, SizedEngine(), selection=selection, max_side=48, full_size=True))
    assert len(results) == 2
    np.testing.assert_array_equal(results[0].flow, saved)
    assert results[0].frame.shape == (64, 96, 3)


def test_what_says_no_size_is_refused(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    with pytest.raises(InputError, match="at which size"):
        next(flow_stream(clip, ConstantEngine(), full_size=True))
    with pytest.raises(InputError, match="max-side is 15"):
        next(flow_stream(clip, ConstantEngine(), max_side=15, full_size=True))
    with pytest.raises(InputError, match="max-side is 15"):
        VideoOptions(compute_side=15)
