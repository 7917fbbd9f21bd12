"""Clips that no test made: those of Debian's package ``opencv-doc``, where it is installed."""

import itertools
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoflow_deploy.engines import EngineDescription, FlowEngine, InputRange
from dinoflow_deploy.video import Selection, VideoOptions, flow_stream, flow_video, open_source
from tests.video.clips import decode, times

FOLDER = Path("/usr/share/doc/opencv-doc/examples/data")
# Size, rate, number of frames and their time slots as the files say; most slots of tree.avi are empty.
CLIPS = {
    "vtest.avi": ((768, 576), Fraction(10), 795, 795),
    "Megamind.avi": ((720, 528), Fraction(2997, 125), 270, 270),
    "tree.avi": ((320, 240), Fraction(1000000, 66667), 68, 444),
}

pytestmark = pytest.mark.skipif(not (FOLDER / "vtest.avi").exists(), reason="opencv-doc is not installed")


class ClassicalEngine(FlowEngine):
    """OpenCV's dense inverse search."""

    def __init__(self) -> None:
        super().__init__(
            EngineDescription("dis", "opencv", "cpu", "cpu", "fp32", None, InputRange.unlimited())
        )
        self._search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def _run(self, images1, images2):
        grey = [(images[0].mean(axis=0) * 255).astype(np.uint8) for images in (images1, images2)]
        return self._search.calc(*grey, None).transpose(2, 0, 1)[None]


@pytest.mark.parametrize("name", CLIPS)
def test_a_whole_clip_is_read(name):
    _, rate, count, slots = CLIPS[name]
    with open_source([str(FOLDER / name)]) as source:
        assert source.rate == rate
        frames = list(source.frames(Selection(stride=3)))
    assert len(frames) == -(-count // 3)
    assert source.damage is None
    assert all(later.pts > earlier.pts for earlier, later in itertools.pairwise(frames))
    duration = frames[-1].pts * source.time_base
    assert abs(duration - slots / rate) < 1


def test_people_walking_hide_little_and_what_they_hide_is_found_by_another_count_too():
    """Consistency with the nearest pixel in place of interpolation."""
    y, x = np.mgrid[:576, :768]
    with ClassicalEngine() as engine:
        results = flow_stream(
            FOLDER / "vtest.avi", engine, selection=Selection(100, 3), backward=True, occlusion=True
        )
        for result in results:
            u, v = result.flow[..., 0], result.flow[..., 1]
            column, row = np.rint(x + u).astype(int), np.rint(y + v).astype(int)
            inside = (x + u >= 0) & (x + u <= 767) & (y + v >= 0) & (y + v <= 575)
            back = result.backward[row.clip(0, 575), column.clip(0, 767)]
            squares = (result.flow**2).sum(axis=-1) + (back**2).sum(axis=-1)
            occluded = ~inside | (((result.flow + back) ** 2).sum(axis=-1) >= 0.01 * squares + 0.5)
            assert (occluded == result.occluded).mean() > 0.99
            assert 0.002 < result.occluded.mean() < 0.1
            assert np.logical_and(occluded, result.occluded).sum() > 0.8 * result.occluded.sum()


@pytest.mark.parametrize("name", CLIPS)
def test_flow_of_its_first_frames(tmp_path, name):
    size = CLIPS[name][0]
    output = tmp_path / "flow.mp4"
    options = VideoOptions(render="side-by-side", selection=Selection(count=6))
    with open_source([str(FOLDER / name)]) as source, ClassicalEngine() as engine:
        report = flow_video(source, engine, output, options)
        frames = list(open_source([str(FOLDER / name)]).frames(Selection(count=6)))
    pictures = decode(output)
    assert len(pictures) == report.pairs == 5
    for picture, frame in zip(pictures, frames, strict=False):
        assert picture.shape == (size[1], 2 * size[0], 3)
        assert np.abs(picture[:, : size[0]].astype(int) - frame.image).mean() < 4
    assert times(output) == [frame.pts * source.time_base for frame in frames[:-1]]
