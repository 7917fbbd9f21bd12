import resource
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import FlowClip, FlowClipWriter, read_flow, write_flow
from tests.flow import samples

FLOW = samples.random_flow()


def write(path: Path, flows=(FLOW,), **options) -> Path:
    with FlowClipWriter(path, **options) as writer:
        for flow in flows:
            writer.write(flow)
    return path


def test_flow_is_as_kitti_keeps_it(tmp_path) -> None:
    """Against the PNG of KITTI's layout, which another module writes and OpenCV reads."""
    valid = np.random.default_rng(1).random(FLOW.shape[:2]) > 0.3
    with FlowClipWriter(tmp_path / "a.mkv") as writer:
        writer.write(FLOW, valid)
    write_flow(tmp_path / "a.png", FLOW, valid)
    expected, known = read_flow(tmp_path / "a.png")
    with FlowClip(tmp_path / "a.mkv") as clip:
        flow, found = clip[0]
    assert np.array_equal(found, known)
    assert np.array_equal(flow, expected)


def test_it_is_grey_ffv1_of_key_frames_with_the_times(tmp_path) -> None:
    times = [0, Fraction(1001, 30000), Fraction(2002, 30000), Fraction(1, 1), Fraction(10001, 10000)]
    with FlowClipWriter(tmp_path / "a.mkv") as writer:
        for time in times:
            writer.write(FLOW, time=time)
        writer.write(FLOW, time=times[-1])
    with av.open(str(tmp_path / "a.mkv")) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.pix_fmt) == ("ffv1", "gray16le")
        packets = [packet for packet in container.demux(stream) if packet.size]
    assert all(packet.is_keyframe for packet in packets)
    # In ms, and the last ones one after the other, as near as that.
    assert [packet.pts for packet in packets] == [0, 33, 67, 1000, 1001, 1002]
    assert packets[0].time_base == Fraction(1, 1000)


def test_the_same_fields_give_the_same_bytes(tmp_path) -> None:
    one, other = (write(tmp_path / name, [FLOW, -FLOW]) for name in ("a.mkv", "b.mkv"))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (144, 1), (1, 2), (2, 2), (1, 300), (300, 2), (3, 401), (255, 256), (256, 256), (257, 399)],
)
def test_every_size_is_held(tmp_path, height: int, width: int) -> None:
    levels = np.random.default_rng(0).integers(-32767, 32768, (height, width, 2))
    flow = (levels / 64).astype(np.float32)
    with FlowClip(write(tmp_path / "a.mkv", [flow])) as clip:
        assert np.array_equal(clip[0][0], flow)


def slices(packet: bytes) -> int:
    """Counted by their footers: 3 bytes of length, 1 of errors, 4 of a checksum (RFC 9043, 4.9)."""
    count, end = 0, len(packet)
    while end > 0:
        end -= int.from_bytes(packet[end - 8 : end - 5], "big") + 8
        count += 1
    assert end == 0
    return count


@pytest.mark.parametrize(
    ("height", "width", "count"), [(144, 1, 1), (1, 2, 4), (255, 256, 4), (256, 255, 4), (256, 256, 24)]
)
def test_slices_are_counted_by_the_size(tmp_path, height: int, width: int, count: int) -> None:
    with av.open(str(write(tmp_path / "a.mkv", [np.ones((height, width, 2), np.float32)]))) as container:
        (packet,) = (packet for packet in container.demux() if packet.size)
    assert slices(bytes(packet)) == count


def test_a_size_that_ffv1_does_not_take_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="no column of 145 px: a field is to be 2 px wide"):
        write(tmp_path / "a.mkv", [np.zeros((145, 1, 2), np.float32)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (512.0, r"field 1: u is 512.000 px at column 3, row 2: a flow video holds -511.984375 to 511.984 px"),
        (-512.0, r"field 1: u is -512.000 px at column 3"),
    ],
)
def test_what_is_beyond_the_range_is_refused_and_nothing_is_left(
    tmp_path, value: float, message: str
) -> None:
    beyond = FLOW.copy()
    beyond[2, 3, 0] = value
    with pytest.raises(InputError, match=message):
        write(tmp_path / "a.mkv", [FLOW, beyond])
    assert list(tmp_path.iterdir()) == []


def test_the_ends_of_the_range_are_exact(tmp_path) -> None:
    ends = np.array([[[-511.984375, 511.984375], [0, -511.984375]]], np.float32)
    with FlowClip(write(tmp_path / "a.mkv", [ends])) as clip:
        assert np.array_equal(clip[0][0], ends)
        assert clip[0][1].all()


def test_values_that_are_none_are_unknown(tmp_path) -> None:
    flow = FLOW.copy()
    flow[0, 0], flow[1, 1, 1], flow[2, 2, 0] = np.nan, np.inf, 1e10
    with FlowClip(write(tmp_path / "a.mkv", [flow, np.full_like(FLOW, np.nan)])) as clip:
        assert np.argwhere(~clip[0][1]).tolist() == [[0, 0], [1, 1], [2, 2]]
        assert not clip[1][1].any()
        assert not clip[1][0].any()


@pytest.mark.parametrize("time", [-0.001, float("nan"), float("inf"), 2**31])
def test_a_time_that_a_file_cannot_hold_is_refused(tmp_path, time: float) -> None:
    with (
        pytest.raises(InputError, match=r"field 0: time is .* s: it must be from 0 to 2147483648"),
        FlowClipWriter(tmp_path / "a.mkv") as writer,
    ):
        writer.write(FLOW, time=time)
    assert list(tmp_path.iterdir()) == []


def test_the_latest_time_is_held(tmp_path) -> None:
    with FlowClipWriter(tmp_path / "a.mkv") as writer:
        writer.write(FLOW, time=Fraction(2**31 * 1000 - 1, 1000))
    with FlowClip(tmp_path / "a.mkv") as clip:
        assert clip.times == (2147483647.999,)


@pytest.mark.parametrize("rate", [Fraction(2147483647, 71582788 * 50), Fraction(10**12), Fraction(1, 10**12)])
def test_rates_that_ffmpeg_does_not_hold_are_rounded(tmp_path, rate: Fraction) -> None:
    """A long clip of variable rate has such fractions, of which each 50th frame is taken."""
    with FlowClip(write(tmp_path / "a.mkv", rate=rate)) as clip:
        assert np.array_equal(clip[0][0], np.rint(64 * FLOW) / 64)


def test_what_it_cannot_write_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match=r"a.flo: flow of a clip is a .mkv file"):
        FlowClipWriter(tmp_path / "a.flo")
    with pytest.raises(InputError, match=r"field 1 is 7x5, and .*a.mkv holds 17x13"):
        write(tmp_path / "a.mkv", [FLOW, np.zeros((5, 7, 2), np.float32)])
    with pytest.raises(InputError, match=r"would hold no flow"):
        write(tmp_path / "a.mkv", [])
    with pytest.raises(InputError, match=r"integers? .*floating|type int64"):
        write(tmp_path / "a.mkv", [np.zeros((5, 7, 2), int)])
    for rate in (Fraction(0), Fraction(-25)):
        with pytest.raises(InputError, match=rf"rate is {rate}: it must be positive"):
            FlowClipWriter(tmp_path / "a.mkv", rate=rate)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "a.mkv")
    with pytest.raises(InputError, match=r"a.mkv exists: pass --overwrite"):
        write(tmp_path / "a.mkv")
    write(tmp_path / "a.mkv", [FLOW, FLOW], overwrite=True)
    with FlowClip(tmp_path / "a.mkv") as clip:
        assert len(clip) == 2


def test_a_file_that_cannot_grow_is_named_and_goes(tmp_path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match=r"File too large: .*a.mkv"):
            write(tmp_path / "a.mkv", 500 * [FLOW])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_files_of_one_field_name_this_one(tmp_path) -> None:
    with pytest.raises(InputError, match=r"holds the flow of a clip: use FlowClip"):
        read_flow(tmp_path / "a.mkv")
    with pytest.raises(InputError, match=r"holds the flow of a clip: use FlowClip"):
        write_flow(tmp_path / "a.mkv", FLOW)


def test_memory_does_not_grow_with_the_clip(tmp_path) -> None:
    flow = samples.random_flow(64, 64)

    def most(count: int) -> int:
        tracemalloc.start()
        with FlowClip(write(tmp_path / "a.mkv", (flow for _ in range(count)), overwrite=True)) as clip:
            for _ in clip:
                pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    # A field takes 32 KiB; what is kept of each is an entry of the index.
    assert most(100) - most(10) < 2 * flow.nbytes
