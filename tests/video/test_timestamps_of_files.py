"""A zoo of files whose times are known from making them, and are again what ``ffprobe`` says."""

import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.video import Selection, open_source
from tests.video.clips import picture, remux, write_clip

RATE = Fraction(25)
FRAMES = 24
GOP = 12
VARYING = [0, 40, 75, 90, 200, 241, 300, 301, 420, 460, 500, 999]  # milliseconds
EVEN = [number / RATE for number in range(FRAMES)]
BARE = {"h264": "libx264", "hevc": "libx265", "mpeg2video": "mpeg2video", "mjpeg": "mjpeg"}


CODEC_OPTIONS = {"libx265": {"x265-params": "log-level=none"}, "mjpeg": {"strict": "unofficial"}}


def even(path: Path, codec: str = "libx264", frames: int = FRAMES, rate: Fraction = RATE) -> Path:
    return write_clip(
        path,
        codec=codec,
        frames=frames,
        rate=rate,
        gop=GOP,
        b_frames=0 if codec == "mjpeg" else 2,
        codec_options=CODEC_OPTIONS.get(codec),
    )


def varying(path: Path) -> Path:
    return write_clip(path, frames=len(VARYING), pts=VARYING, time_base=Fraction(1, 1000), rate=RATE)


def twice(folder: Path) -> Path:
    path = folder / "twice.ts"
    path.write_bytes(even(folder / "once.ts", frames=12).read_bytes() * 2)
    return path


def bare(folder: Path, file_format: str) -> Path:
    """Half a second at 50 frames per second."""
    clip = even(folder / "50.mkv", BARE[file_format], rate=Fraction(50))
    return remux(clip, folder / f"bare.{file_format}", file_format=file_format)


IN_MILLISECONDS = [Fraction(time, 1000) for time in VARYING]
LATE = Fraction(3)
Maker = Callable[[Path], Path]
ZOO: dict[str, tuple[Maker, list[Fraction], int]] = {
    # How it is made, when its frames are shown after the first, and which frame is the first.
    "mkv": (lambda folder: even(folder / "a.mkv"), EVEN, 0),
    "mkv that starts late": (
        lambda folder: remux(even(folder / "a.mp4"), folder / "late.mkv", shift=LATE),
        EVEN,
        0,
    ),
    "webm that starts late": (
        lambda folder: remux(even(folder / "a.webm", "libvpx"), folder / "late.webm", shift=LATE),
        EVEN,
        0,
    ),
    "mkv cut without coding": (
        lambda folder: remux(even(folder / "a.mp4"), folder / "cut.mkv", first=GOP),
        EVEN[:GOP],
        GOP,
    ),
    "mp4 that starts late": (
        lambda folder: remux(even(folder / "a.mp4"), folder / "late.mp4", shift=LATE),
        EVEN,
        0,
    ),
    "mp4 with an edit list": (
        lambda folder: remux(even(folder / "a.mkv"), folder / "edit.mp4", shift=-5 / RATE),
        EVEN[:-5],
        5,
    ),
    "fragmented mp4": (
        lambda folder: remux(
            even(folder / "a.mp4"),
            folder / "fragmented.mp4",
            options={"movflags": "frag_keyframe+empty_moov"},
        ),
        EVEN,
        0,
    ),
    "ts that starts late": (
        lambda folder: remux(even(folder / "a.mp4"), folder / "late.ts", shift=LATE),
        EVEN,
        0,
    ),
    "ts of two": (twice, EVEN, 0),
    "avi of H.264 with B frames": (lambda folder: even(folder / "a.avi"), EVEN, 0),
    "avi of MPEG-4 with B frames": (lambda folder: even(folder / "b.avi", "mpeg4"), EVEN, 0),
    "mp4 with varying times": (lambda folder: varying(folder / "v.mp4"), IN_MILLISECONDS, 0),
    "mkv with varying times": (
        lambda folder: remux(varying(folder / "v.mp4"), folder / "v.mkv"),
        IN_MILLISECONDS,
        0,
    ),
    "y4m": (lambda folder: even(folder / "a.y4m", "wrapped_avframe"), EVEN, 0),
    **{
        name: (
            lambda folder, name=name: bare(folder, name),
            [number / 50 for number in map(Fraction, range(FRAMES))],
            0,
        )
        for name in ("h264", "hevc", "mpeg2video")
    },
    "mjpeg": (lambda folder: bare(folder, "mjpeg"), EVEN, 0),
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Each file, made once."""
    made: dict[str, Path] = {}

    def file(name: str) -> Path:
        if name not in made:
            made[name] = ZOO[name][0](tmp_path_factory.mktemp("zoo"))
        return made[name]

    return file


@pytest.mark.parametrize("name", ZOO)
def test_each_frame_comes_at_its_time(zoo, name):
    _, times, first = ZOO[name]
    with open_source([str(zoo(name))]) as source:
        frames = list(source.frames(Selection()))
    assert [frame.pts * source.time_base for frame in frames] == times
    for number, frame in enumerate(frames):
        shown = (first + number) % (12 if name == "ts of two" else FRAMES)
        assert np.abs(frame.image.astype(int) - picture(shown, 96, 64)).mean() < 12, number
    assert source.damage is None, "the file is whole"


@pytest.mark.parametrize("name", [name for name in ZOO if name != "ts of two"])  # there, times go back
def test_times_are_those_of_ffprobe(zoo, name):
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed")
    entries = ["-show_entries", "frame=best_effort_timestamp_time", "-of", "csv=p=0"]
    probed = subprocess.run(
        ["ffprobe", "-v", "error", *entries, str(zoo(name))], capture_output=True, text=True, check=True
    )
    times = [line.strip(",") for line in probed.stdout.split()]
    known = [None if time == "N/A" else Fraction(time) for time in times]
    with open_source([str(zoo(name))]) as source:
        frames = list(source.frames(Selection()))
    assert len(known) == len(frames)
    for frame, time in zip(frames, known, strict=True):
        # ffprobe rounds to a millionth; of bare streams and of an AVI file's last frames it knows no time.
        if time is not None:
            assert abs(frame.pts * source.time_base - (time - known[0])) < Fraction(2, 1_000_000)


def test_a_file_of_known_times_is_read_without_a_word(zoo):
    for name in ("mkv that starts late", "mp4 with an edit list", "fragmented mp4", "mp4 with varying times"):
        assert open_source([str(zoo(name))]).notes == []


def test_the_count_does_not_depend_on_when_a_file_starts(zoo):
    counts = {name: open_source([str(zoo(name))]).count for name in ZOO if "late" in name}
    assert set(counts.values()) == {FRAMES}, counts


@pytest.mark.parametrize(
    ("name", "rate"), [("h264", 50), ("hevc", 50), ("mpeg2video", 50), ("mjpeg", 25)], ids=str
)
def test_times_that_are_guessed_are_said_and_given_ones_are_taken(zoo, name, rate):
    path = str(zoo(name))
    guessed = open_source([path])
    assert guessed.rate == rate
    assert guessed.notes == [f"{path} holds no times: {rate} fps is FFmpeg's guess; fps sets another rate"]
    given = open_source([path], rate=Fraction(30000, 1001))
    assert (given.rate, given.notes) == (Fraction(30000, 1001), [])
    frames = list(given.frames(Selection()))
    assert [frame.pts * given.time_base for frame in frames] == [
        number * Fraction(1001, 30000) for number in range(FRAMES)
    ]


def test_the_rate_of_raw_dv_is_not_its_clock(tmp_path):
    """FFmpeg 8 measures 60 000 frames per second, one for each tick."""
    clip = write_clip(tmp_path / "a.dv", codec="dvvideo", size=(720, 576), frames=3, rate=RATE)
    with open_source([str(clip)]) as source:
        assert (source.rate, source.count) == (RATE, 3)
        assert [frame.pts * source.time_base for frame in source.frames(Selection())] == EVEN[:3]
    # The clock of an AVI file ticks once for each frame.
    assert open_source([str(even(tmp_path / "a.avi", "mpeg4", frames=3, rate=Fraction(50)))]).rate == 50


def test_a_rate_is_refused_where_the_times_are_known(zoo):
    for name in ("mkv", "avi of MPEG-4 with B frames", "y4m", "ts that starts late"):
        with pytest.raises(
            InputError, match=r"bare streams, which hold no times; .* keeps its own \(25 fps\)"
        ):
            open_source([str(zoo(name))], rate=Fraction(10))
    with pytest.raises(InputError, match="camera 97 keeps its own"):
        open_source(["97"], rate=Fraction(10))
    with pytest.raises(InputError, match="fps is 0: it must be positive"):
        open_source([str(zoo("h264"))], rate=Fraction(0))


def test_frames_without_a_time_are_said(zoo):
    with open_source([str(zoo("avi of H.264 with B frames"))]) as source:
        list(source.frames(Selection()))
    (note,) = source.notes
    assert note.endswith("frame(s) have no time: each follows the one before as at 25 fps")


def test_a_whole_matroska_with_a_long_last_frame_is_not_damaged(tmp_path):
    """Its length is in the duration of the file, and with FFmpeg up to 5 nowhere else."""
    clip = write_clip(tmp_path / "a.mkv", frames=5, rate=RATE)
    data = clip.read_bytes()
    # The duration, as a float64 in milliseconds.
    stated = data.index(b"\x44\x89\x88") + 3
    path = tmp_path / "long.mkv"
    path.write_bytes(data[:stated] + np.array([9000.0], ">f8").tobytes() + data[stated + 8 :])
    with av.open(str(path)) as container:
        assert container.duration == 9_000_000
    with open_source([str(path)]) as source:
        assert len(list(source.frames(Selection()))) == 5
    assert source.damage is None
    path.write_bytes(path.read_bytes()[:-1])
    with open_source([str(path)]) as source:
        list(source.frames(Selection()))
    assert source.damage == "it ends after 0.20 s of 9.00 s"
