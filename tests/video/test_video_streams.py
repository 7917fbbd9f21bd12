from fractions import Fraction

import av
import pytest
from av.stream import Disposition

from dinoflow_deploy.video import Selection, open_source
from tests.video.clips import picture

DEFAULT, NONE, COVER = Disposition.default, Disposition(0), Disposition.attached_pic
SIZES = [(64, 48), (96, 64), (32, 32)]


def write(path, dispositions, frames=4):
    """A file of one stream per disposition, each of a size of its own."""
    with av.open(str(path), "w") as container:
        streams = []
        for disposition, (width, height) in zip(dispositions, SIZES, strict=False):
            cover = disposition & COVER
            stream = container.add_stream("mjpeg" if cover else "mpeg4", rate=Fraction(25))
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuvj420p" if cover else "yuv420p"
            stream.disposition = disposition
            streams.append(stream)
        for number in range(frames):
            # A cover is one picture.
            for stream in [each for each in streams if each.name == "mpeg4" or not number]:
                image = picture(number, stream.width, stream.height)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("dispositions", "chosen", "note"),
    [
        pytest.param(
            [NONE, DEFAULT],
            1,
            "of 2 video streams, stream 1 (mpeg4, 96x64) is read (marked as default), not stream 0 (mpeg4, "
            "64x48)",
            id="the second is marked",
        ),
        pytest.param(
            [DEFAULT, NONE, NONE],
            0,
            "of 3 video streams, stream 0 (mpeg4, 64x48) is read (marked as default), not stream 1 (mpeg4, "
            "96x64), stream 2 (mpeg4, 32x32)",
            id="the first is marked",
        ),
        pytest.param([NONE], 0, None, id="one"),
    ],
)
def test_the_stream_that_is_marked_is_read_and_the_others_are_named(tmp_path, dispositions, chosen, note):
    path = write(tmp_path / "a.mkv", dispositions)
    with av.open(str(path)) as container:
        marks = [stream.disposition & (DEFAULT | COVER) for stream in container.streams]
        assert marks == dispositions, "the file is as it should be"
    with open_source([str(path)]) as source:
        frames = list(source.frames(Selection()))
    width, height = SIZES[chosen]
    assert [frame.image.shape for frame in frames] == [(height, width, 3)] * 4
    assert source.notes == ([] if note is None else [note])


def test_where_none_is_marked_ffmpeg_chooses(tmp_path):
    path = write(tmp_path / "a.mkv", [NONE, NONE])
    with av.open(str(path)) as container:
        best = container.streams.best("video")
        named = {
            stream.index: f"stream {stream.index} (mpeg4, {stream.width}x{stream.height})"
            for stream in container.streams
        }
        read, other = named[best.index], named[1 - best.index]
    note = f"of 2 video streams, {read} is read (FFmpeg's choice), not {other}"
    assert open_source([str(path)]).notes == [note]


def test_a_cover_that_comes_first_is_no_video(tmp_path):
    path = write(tmp_path / "a.mp4", [COVER, NONE])
    with av.open(str(path)) as container:
        covers = [stream.index for stream in container.streams if stream.disposition & COVER]
    with open_source([str(path)]) as source:
        frames = list(source.frames(Selection()))
    assert len(covers) == 1
    width, height = SIZES[1]
    assert [frame.image.shape for frame in frames] == [(height, width, 3)] * 4
    assert source.notes == []
