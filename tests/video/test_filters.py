from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from dinoflow_deploy.errors import InputError, VideoError
from dinoflow_deploy.video import Selection, filters, open_source
from tests.video.clips import write_clip

WIDTH, HEIGHT, FRAMES, SPEED = 96, 64, 8, 6
MARKED = {"x264-params": "interlaced=1"}  # with the bottom field first, as PyAV's frames are


def bar(half_frames: int) -> np.ndarray:
    """One row of a bar that moves 3 px per field."""
    x = np.arange(WIDTH)
    return np.where((x >= 20 + half_frames * SPEED // 2) & (x < 44 + half_frames * SPEED // 2), 220, 40)


def woven(number: int, height: int, later: int) -> np.ndarray:
    """A frame whose even (``later`` = 0) or odd rows were taken half a frame later."""
    rows = np.stack([bar(2 * number + (row % 2 == later)) for row in range(height)])
    return np.repeat(rows[..., None], 3, axis=2).astype(np.uint8)


def progressive(number: int) -> np.ndarray:
    """The frame at the time of the first field."""
    return np.tile(bar(2 * number), (HEIGHT, 1))


def interlaced_clip(path, later: int, **marks: str):
    return write_clip(
        path,
        frames=FRAMES,
        rate=Fraction(25),
        draw=lambda number, width, height: woven(number, height, later),
        codec_options={"crf": "4"} | marks,
    )


def read(path, **settings):
    with open_source([str(path)], **settings) as source:
        return source, list(source.frames(Selection()))


def error(frames) -> float:
    """Mean difference from the frames at the first field's times, but for the ends of the clip."""
    inner = frames[1:-1]
    return float(np.mean([np.abs(frame.image[..., 0] - progressive(frame.index)).mean() for frame in inner]))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interlaced")
    return {
        "marked": interlaced_clip(folder / "marked.mp4", later=0, **MARKED),
        "unmarked": interlaced_clip(folder / "unmarked.mp4", later=1),
    }


COMBED = "the clip is interlaced and was not deinterlaced: what moves is combed"
DONE = "the clip is interlaced: it was deinterlaced (bwdif); deinterlace 'off' leaves it as it is"


@pytest.mark.parametrize(
    ("clip", "mode", "notes", "smooth"),
    [
        ("marked", "auto", [DONE], True),
        ("marked", "on", ["every frame was deinterlaced (bwdif)"], True),
        ("marked", "off", [COMBED], False),
        ("unmarked", "auto", [], False),
        ("unmarked", "on", ["every frame was deinterlaced (bwdif)"], True),
        ("unmarked", "off", [], False),
    ],
)
def test_fields_are_told_apart_where_they_should_be(clips, clip, mode, notes, smooth):
    source, frames = read(clips[clip], deinterlace=mode)
    assert source.notes == notes
    # One frame for each, at the same time.
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert [frame.pts * source.time_base * 25 for frame in frames] == list(range(FRAMES))
    # Half of the rows are 3 px off at two edges of 180 grey levels where nothing is done: 5.6 in the mean.
    assert (error(frames) < 2.5) == smooth, error(frames)
    assert smooth or error(frames) > 5


def test_progressive_clips_pass_untouched(tmp_path):
    path = write_clip(tmp_path / "a.mp4")
    source, frames = read(path)
    with av.open(str(path)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert source.notes == []
    for frame, expected in zip(frames, decoded, strict=True):
        np.testing.assert_array_equal(frame.image, expected)


def test_frames_of_two_sizes_are_all_deinterlaced(tmp_path, clips):
    path = tmp_path / "both.ts"
    parts = [
        write_clip(tmp_path / f"{side}.ts", frames=4, size=(side, 64), codec_options=MARKED)
        for side in (96, 128)
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    source, frames = read(path)
    assert [frame.index for frame in frames] == list(range(8))
    assert DONE in source.notes
    # Frames of another size are no neighbours of the last ones.
    for frame, alone in zip(frames[:4], read(parts[0])[1], strict=True):
        np.testing.assert_array_equal(frame.image, alone.image)


def test_frames_that_ffmpeg_cannot_deinterlace_are_named(clips, monkeypatch):
    def fail(*_):
        raise av.error.ArgumentError(22, "Invalid argument")

    monkeypatch.setattr(filters, "FilterChain", fail)
    with pytest.raises(
        VideoError, match=r"frames of yuv420p cannot be deinterlaced .*: set deinterlace to 'off'"
    ):
        read(clips["marked"])
    assert len(read(clips["marked"], deinterlace="off")[1]) == FRAMES


def test_what_cannot_be_deinterlaced_is_refused(tmp_path, clips):
    with pytest.raises(InputError, match="deinterlace is 'maybe': choose one of auto, on, off"):
        open_source([str(clips["marked"])], deinterlace="maybe")
    for name in ("1.png", "2.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(InputError, match=r"deinterlace is for videos that FFmpeg decodes, which .* is not"):
        open_source([str(tmp_path)], deinterlace="on")
