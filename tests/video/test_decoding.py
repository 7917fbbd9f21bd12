import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from dinoflow_deploy.errors import VideoError
from dinoflow_deploy.video import open_source, rgb
from dinoflow_deploy.video.frame_source import Selection
from tests.video.clips import NTSC, cut, decode, picture, silence, write_clip

EVERY = Selection()


def read(path, selection=EVERY, **settings):
    with open_source([str(path)], **settings) as source:
        return source, list(source.frames(selection))


def test_frames_are_those_of_the_file(tmp_path):
    path = write_clip(tmp_path / "clip.mp4")
    source, frames = read(path)
    assert [frame.index for frame in frames] == list(range(12))
    assert (source.rate, source.count, source.damage, source.notes) == (NTSC, 12, None, [])
    assert [frame.pts * source.time_base for frame in frames] == [number / NTSC for number in range(12)]
    for number, frame in enumerate(frames):
        assert frame.image.shape == (64, 96, 3)
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert np.abs(frame.image.astype(int) - picture(number, 96, 64)).mean() < 4


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.ts", "libx264"), ("a.webm", "libvpx-vp9")],
)
def test_containers(tmp_path, name, codec):
    source, frames = read(write_clip(tmp_path / name, codec=codec))
    assert len(frames) == 12
    assert source.damage is None
    assert source.rate == NTSC
    assert source.count == 12


def test_variable_frame_rate_keeps_its_timestamps(tmp_path):
    pts = [0, 3000, 9000, 10000, 40000, 43001]
    path = write_clip(tmp_path / "vfr.mp4", frames=6, pts=pts, time_base=Fraction(1, 90000))
    source, frames = read(path)
    assert [frame.pts * source.time_base for frame in frames] == [Fraction(time, 90000) for time in pts]


def test_selected_frames_keep_their_own_timestamps_from_zero(tmp_path):
    path = write_clip(tmp_path / "clip.mp4")
    source, frames = read(path, Selection(start=2, count=3, stride=4))
    assert [frame.index for frame in frames] == [2, 6, 10]
    assert [frame.pts * source.time_base for frame in frames] == [0, 4 / NTSC, 8 / NTSC]
    whole = decode(path)
    for frame in frames:
        np.testing.assert_array_equal(frame.image, whole[frame.index])


@pytest.mark.parametrize("angle", [90, 180, -90])
@pytest.mark.parametrize("mirror", [False, True])
def test_rotated_clips_come_out_upright(tmp_path, angle, mirror):
    stored = decode(write_clip(tmp_path / "stored.mp4", frames=1))[0]
    path = write_clip(tmp_path / "turned.mp4", frames=2, rotation=(angle, mirror))
    image = read(path)[1][0].image
    # FFmpeg's angle is counter-clockwise, mirroring happens after.
    turned = np.rot90(stored, angle // 90)
    expected = turned[:, ::-1] if mirror else turned
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 2


def test_pixel_aspect_is_kept_and_turned(tmp_path):
    def anamorphic(path, rotation):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
            if rotation:
                stream.set_display_rotation(rotation)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(0, 96, 64), format="rgb24")))
            container.mux(stream.encode(None))
        return path

    assert read(anamorphic(tmp_path / "a.mp4", 0))[0].pixel_aspect == Fraction(4, 3)
    assert read(anamorphic(tmp_path / "b.mp4", 90))[0].pixel_aspect == Fraction(3, 4)


def test_odd_sizes_are_read_as_they_are(tmp_path):
    assert read(write_clip(tmp_path / "odd.mp4", size=(97, 65)))[1][0].image.shape == (65, 97, 3)


def test_max_side_shrinks(tmp_path):
    path = write_clip(tmp_path / "clip.mp4", frames=2)
    assert read(path, max_side=48)[1][0].image.shape == (32, 48, 3)
    assert read(path, max_side=200)[1][0].image.shape == (64, 96, 3)


def test_sound_is_left_out_and_said(tmp_path):
    source, frames = read(write_clip(tmp_path / "sound.mp4", sound=True))
    assert len(frames) == 12
    assert source.damage is None
    assert any("silent" in note for note in source.notes)


def test_size_change_is_scaled_to_the_first_size_and_said(tmp_path):
    first = write_clip(tmp_path / "1.ts", size=(96, 64))
    second = write_clip(tmp_path / "2.ts", size=(128, 96))
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    source, frames = read(both)
    assert [frame.image.shape for frame in frames] == [(64, 96, 3)] * 24
    assert source.notes == [
        "the frame size changes from 96x64 to 128x96 at frame 12: later frames are scaled to the first",
        "12 frame(s) have a time that goes back: each follows the one before as at 29.97 fps",
    ]
    assert all(later.pts > earlier.pts for earlier, later in itertools.pairwise(frames))


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.mp4", "libx264")])
@pytest.mark.parametrize("sound", [False, True])
def test_truncated_files_give_what_decodes_and_say_so(tmp_path, name, codec, sound):
    whole = write_clip(
        tmp_path / name,
        frames=90,
        codec=codec,
        sound=sound and codec != "mpeg4",
        options={"movflags": "+faststart"} if name == "a.mp4" else {},
    )
    assert read(whole)[0].damage is None
    source, frames = read(cut(whole, tmp_path / f"cut-{name}"))
    assert 10 < len(frames) < 80
    assert source.damage is not None
    expected = decode(whole)
    for frame in frames:
        assert np.abs(frame.image.astype(int) - expected[frame.index]).mean() < 3


def test_a_part_of_a_truncated_file_that_is_whole_is_not_damaged(tmp_path):
    whole = write_clip(tmp_path / "a.mkv", frames=90)
    source, frames = read(cut(whole, tmp_path / "cut.mkv"), Selection(count=5))
    assert len(frames) == 5
    assert source.damage is None


def test_mp4_without_its_index_is_refused(tmp_path):
    whole = write_clip(tmp_path / "a.mp4", frames=30)
    with pytest.raises(VideoError, match=r"cut\.mp4 is not a video .* its header is damaged"):
        open_source([str(cut(whole, tmp_path / "cut.mp4", 0.3))])


def test_damage_in_the_middle_is_skipped_and_said(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=60)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(0).integers(0, 256, 400, np.uint8).tobytes()
    path.write_bytes(data)
    source, frames = read(path)
    assert 40 < len(frames) < 60
    assert "damaged frame(s) left out" in source.damage


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("aac", rate=48000, layout="mono")
        for number in range(5):
            container.mux(track.encode(silence(number)))
        container.mux(track.encode(None))
    with pytest.raises(VideoError, match=r"sound\.mp4 has no video stream \(it holds: audio\)"):
        open_source([str(path)])


def test_cover_art_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("aac", rate=48000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(picture(0, 32, 32), format="rgb24")))
        container.mux(track.encode(silence(0)))
        container.mux(track.encode(None))
        container.mux(cover.encode(None))
    with pytest.raises(VideoError, match="no video stream"):
        open_source([str(path)])


@pytest.mark.parametrize("content", [b"", b"not a video at all\n" * 50])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"clip\.mp4"):
        open_source([str(path)])


def test_missing_files_are_refused():
    with pytest.raises(VideoError, match=r"nowhere\.mp4 is missing"):
        open_source(["nowhere.mp4"])


def test_untagged_high_definition_is_read_as_bt709(tmp_path):
    """Untagged 720p with the luma and chroma that BT.709 gives saturated red."""
    path = tmp_path / "red.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        planes = [np.full((720, 1280), 63), np.full((180, 1280), 102), np.full((180, 1280), 240)]
        frame = av.VideoFrame.from_ndarray(np.vstack(planes).astype(np.uint8), format="yuv420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    color = read(path)[1][0].image[360, 640]
    assert np.abs(color.astype(int) - [255, 0, 0]).max() <= 3


def test_the_file_is_released(tmp_path):
    path = write_clip(tmp_path / "clip.mp4")

    def is_open():
        return any(link.resolve() == path for link in Path("/proc/self/fd").iterdir() if link.is_symlink())

    with open_source([str(path)]) as source:
        assert is_open()
        frames = source.frames(EVERY)
        next(frames)
        frames.close()
        assert not is_open()


def test_repaired_timestamps_do_not_depend_on_the_selection(tmp_path):
    first = write_clip(tmp_path / "1.ts", frames=12)
    both = tmp_path / "both.ts"
    # The second half starts again at the time of the first.
    both.write_bytes(first.read_bytes() * 2)
    every = [frame.pts for frame in read(both)[1]]
    some = [frame.pts for frame in read(both, Selection(start=1, stride=5))[1]]
    assert some == [time - every[1] for time in every[1::5]]


class StopAfter:
    """An event that is set after it was asked so many times."""

    def __init__(self, times):
        self.left = times

    def is_set(self):
        self.left -= 1
        return self.left < 0


def test_stopping_ends_the_skipping_of_frames(tmp_path):
    path = write_clip(tmp_path / "clip.mp4")
    with open_source([str(path)]) as source:
        source.stop = StopAfter(5)
        assert list(source.frames(Selection(start=11))) == []
        assert source.stop.left == -1, "frames were decoded after the stop"
    with open_source([str(path)]) as source:
        source.stop = StopAfter(5)
        assert [frame.index for frame in source.frames(EVERY)] == [0, 1, 2, 3, 4]


class BreakingStream:
    """A stream whose decoder fails at the sixth packet."""

    def __init__(self, stream):
        self.stream, self.packets = stream, 0

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def decode(self, packet):
        self.packets += 1
        if self.packets == 6:
            raise av.error.PatchWelcomeError(1, "Not yet implemented in FFmpeg, patches welcome")
        return self.stream.decode(packet)


def test_whatever_the_decoder_raises_is_damage(tmp_path):
    with open_source([str(write_clip(tmp_path / "clip.avi", codec="mpeg4", gop=1))]) as source:
        source._stream = BreakingStream(source._stream)
        assert len(list(source.frames(EVERY))) == 11
    assert source.damage == "1 damaged frame(s) left out"


@pytest.mark.parametrize("error", [av.error.InvalidDataError(1, "bad"), ValueError("bad")])
def test_a_frame_that_cannot_be_converted_is_named(tmp_path, monkeypatch, error):
    def fail(self, picture, size):
        raise error

    monkeypatch.setattr(rgb.RgbConverter, "_convert", fail)
    with pytest.raises(VideoError, match=r"frame 0 of .*clip\.mp4 cannot be converted to RGB: .*bad"):
        read(write_clip(tmp_path / "clip.mp4"))
