"""Backward flow and occlusion, from scenes in which both are known to the files, report and results."""

import json

import cv2
import numpy as np
import pytest

from dinoflow_deploy.datasets import SceneConfig, render_clip
from dinoflow_deploy.flow import consistency, read_flow
from dinoflow_deploy.video import VideoOptions, flow_stream, flow_video
from dinoflow_deploy.video.compute_size import PairFlow, resized_flow
from dinoflow_deploy.video.images import shrunk
from tests.video.clips import ConstantEngine, NumberedSource, decode
from tests.video.scenes import ExactEngine, ListSource, square_moves

SCENE = square_moves((96, 64), 20, 12, 3)
IMAGES, FORWARD, BACKWARD, OCCLUDED, BACKWARD_OCCLUDED = SCENE


def enlarged(array):
    """Twice the size, without interpolation."""
    return array.repeat(2, axis=-2).repeat(2, axis=-1)


def test_a_square_hides_what_it_moves_onto_in_files_report_and_picture(tmp_path):
    options = VideoOptions(backward=True, occlusion=True, save_flow=tmp_path / "flow", max_flow=12)
    report = flow_video(
        ListSource(IMAGES), ExactEngine(IMAGES, FORWARD, BACKWARD), tmp_path / "o.mp4", options
    )
    for number in range(2):
        name = str(tmp_path / "flow" / f"{number:06d}")
        np.testing.assert_array_equal(read_flow(f"{name}.flo")[0], FORWARD[number])
        np.testing.assert_array_equal(read_flow(f"{name}-backward.flo")[0], BACKWARD[number])
        for suffix, mask in (("occluded", OCCLUDED), ("backward-occluded", BACKWARD_OCCLUDED)):
            levels = cv2.imread(f"{name}-{suffix}.png", cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(levels, 255 * mask[number])
    assert len(list((tmp_path / "flow").iterdir())) == 8
    # 20 rows of 12 pixels.
    assert report.occluded == pytest.approx(20 * 12 / (96 * 64))
    assert (report.width, report.height, report.backward) == (192, 64, True)
    values = json.loads(json.dumps(report.to_dict()))
    assert (values["save_flow"], values["occluded"]) == (str(tmp_path / "flow"), report.occluded)
    drawn = decode(tmp_path / "o.mp4")[0].astype(int)
    for panel, occluded in ((drawn[:, :96], OCCLUDED), (drawn[:, 96:], BACKWARD_OCCLUDED)):
        # Away from the borders, which the codec blurs.
        inside = cv2.erode(occluded[0].astype(np.uint8), np.ones((5, 5))).astype(bool)
        assert inside.any()
        assert np.ptp(panel[inside], axis=-1).max() < 30
        assert panel[inside].max() < 230


@pytest.mark.parametrize(
    ("options", "names", "occluded"),
    [
        ({}, {".flo"}, None),
        ({"backward": True}, {".flo", "-backward.flo"}, None),
        ({"occlusion": True}, {".flo", "-occluded.png"}, 20 * 12 / (96 * 64)),
    ],
)
def test_each_is_given_only_where_it_is_asked_for(tmp_path, options, names, occluded):
    report = flow_video(
        ListSource(IMAGES),
        ExactEngine(IMAGES, FORWARD, BACKWARD),
        tmp_path / "o.mp4",
        VideoOptions(save_flow=tmp_path / "flow", **options),
    )
    saved = {path.name for path in (tmp_path / "flow").iterdir()}
    assert saved == {f"00000{number}{name}" for number in range(2) for name in names}
    assert report.occluded == (None if occluded is None else pytest.approx(occluded))
    assert report.width == (192 if "backward" in options else 96)
    (first, _) = flow_stream(ListSource(IMAGES), ExactEngine(IMAGES, FORWARD, BACKWARD), **options)
    assert (first.backward is not None) == ("backward" in options)
    assert (first.occluded is not None) == ("occlusion" in options)
    assert first.backward_occluded is None


def test_a_stream_gives_the_same(tmp_path):
    results = list(
        flow_stream(ListSource(IMAGES), ExactEngine(IMAGES, FORWARD, BACKWARD), backward=True, occlusion=True)
    )
    for number, result in enumerate(results):
        np.testing.assert_array_equal(result.flow, FORWARD[number])
        np.testing.assert_array_equal(result.backward, BACKWARD[number])
        np.testing.assert_array_equal(result.occluded, OCCLUDED[number])
        np.testing.assert_array_equal(result.backward_occluded, BACKWARD_OCCLUDED[number])
        assert result.occluded.dtype == bool
    assert len(results) == 2


@pytest.mark.parametrize("backward", [False, True])
def test_at_full_size_all_of_it_is_twice_as_large(backward):
    """The engine sees the scene at half the size; flow is longer there, and what is occluded larger."""
    large = IMAGES.repeat(2, axis=1).repeat(2, axis=2)
    # Shrinking by areas gives the small frames back.
    np.testing.assert_array_equal(shrunk(large[0], 96), IMAGES[0])
    flow_of = PairFlow(ExactEngine(IMAGES, FORWARD, BACKWARD), 96, backward=backward, occlusion=True)
    for number in range(2):
        result = flow_of(large[number], large[number + 1])
        np.testing.assert_array_equal(result.flow, resized_flow(FORWARD[number], 192, 128))
        np.testing.assert_array_equal(result.occluded, enlarged(OCCLUDED[number]))
        if backward:
            np.testing.assert_array_equal(result.backward, resized_flow(BACKWARD[number], 192, 128))
            assert result.backward.min() == -24
            np.testing.assert_array_equal(result.backward_occluded, enlarged(BACKWARD_OCCLUDED[number]))
    assert flow_of.size == (96, 64)


def test_occlusion_is_judged_in_the_pixels_that_flow_is_computed_in():
    """An engine's error of half a pixel is tolerated there; enlarged to two, it would hide everything."""
    images = np.arange(2, dtype=np.uint8).repeat(64 * 96 * 3).reshape(2, 64, 96, 3)
    forward, backward = (np.full((1, 64, 96, 2), (u, 0), np.float32) for u in (0.25, 0.25))
    large = images.repeat(4, axis=1).repeat(4, axis=2)
    result = PairFlow(ExactEngine(images, forward, backward), 96, backward=True, occlusion=True)(*large)
    assert not result.occluded[:, :-4].any()
    assert consistency(result.flow, result.backward).all()


def test_it_finds_the_occlusion_of_a_synthetic_scene_from_smaller_frames():
    """Bound: measured is an intersection over union of 0.65."""
    clip = render_clip(SceneConfig(128, 192, 16), 0, 2, index=1, backward=True)
    small = [
        [cv2.resize(flow, (96, 64), interpolation=cv2.INTER_AREA) / 2 for flow in flows]
        for flows in (clip.flow, clip.backward_flow)
    ]
    engine = ExactEngine([shrunk(frame, 96) for frame in clip.frames], *small)
    found, true = PairFlow(engine, 96, occlusion=True)(*clip.frames).occluded, clip.occluded[0]
    assert np.logical_and(found, true).sum() / np.logical_or(found, true).sum() > 0.6


def test_the_look_ahead_for_colours_counts_all_that_is_held(tmp_path, monkeypatch):
    """Frames of 16x16 and their flow take 768 + 2048 bytes, backward flow 2048, masks of 256."""
    held = []

    def count(pairs):
        pairs = list(pairs)
        held.append(len(pairs))
        return 1.0

    monkeypatch.setattr("dinoflow_deploy.video.scale.LOOK_AHEAD_BYTES", 30000)
    monkeypatch.setattr("dinoflow_deploy.video.scale._scale_of", count)
    for number, options in enumerate(({}, {"backward": True}, {"backward": True, "occlusion": True})):
        flow_video(
            NumberedSource(20, (16, 16)),
            ConstantEngine(),
            tmp_path / f"{number}.mp4",
            VideoOptions(**options),
        )
    assert held == [30000 // 2816, 30000 // 4864, 30000 // 5376]
