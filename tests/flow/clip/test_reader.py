import re
from pathlib import Path

import av
import numpy as np
import pytest

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.flow import FlowClip, FlowClipWriter
from dinoflow_deploy.flow.clip.layout import ClipTags
from tests.flow import samples

FLOWS = [np.rint(64 * samples.random_flow(seed=seed)) / 64 for seed in range(5)]
TAGS = ClipTags(17, 13, "nano", "a.mp4").to_tags()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "a.mkv"
    with FlowClipWriter(path, model="m\udcff", source="b\udcff.mp4") as writer:
        for number, flow in enumerate(FLOWS):
            writer.write(flow, time=number * number / 10)
    return path.read_bytes()


def read(path: Path) -> list[np.ndarray]:
    with FlowClip(path) as clip:
        return [flow for flow, _ in clip]


def other_file(
    path: Path, tags: dict[str, str], codec: str = "ffv1", pixels: str = "gray16le", **sizes
) -> Path:
    """A file that FFmpeg writes, with samples of no motion."""
    with av.open(str(path), "w", format="matroska") as container:
        container.metadata.update(tags)
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = sizes.get("width", 17), sizes.get("height", 26), pixels
        samples_of_frame = np.full((stream.height, stream.width), sizes.get("sample", 32768), np.uint16)
        frame = av.VideoFrame.from_ndarray(samples_of_frame, format="gray16le")
        container.mux(stream.encode(frame.reformat(format=pixels)))
        container.mux(stream.encode(None))
    return path


def test_fields_come_in_any_order(tmp_path, data: bytes) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(data)
    with FlowClip(path) as clip:
        assert len(clip) == 5
        assert (clip.width, clip.height, clip.model, clip.source) == (17, 13, "m\\udcff", "b\\udcff.mp4")
        assert clip.times == (0, 0.1, 0.4, 0.9, 1.6)
        for place in (3, 4, 0, 0, 2, 1, -1, -5):
            flow, valid = clip[place]
            assert flow.dtype == np.float32
            assert np.array_equal(flow, FLOWS[place])
            assert valid.all()
        # Two loops at once, and one that is left.
        for (one, _), (other, _) in zip(clip, clip, strict=True):
            assert np.array_equal(one, other)
        with pytest.raises(IndexError):
            clip[5]


def test_no_damaged_byte_passes(tmp_path, data: bytes) -> None:
    """Of every 61st byte changed, the file is refused by name, or it gives what it gave before."""
    path, refused = tmp_path / "a.mkv", 0
    places = range(0, len(data), 61)
    for place in places:
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            found = read(path)
        except FileFormatError as error:
            refused += str(error).startswith(f"{path}: ")
        else:
            assert np.array_equal(found, FLOWS), place
    # What does not matter is the padding behind the header, and the header's own versions.
    assert refused > 0.9 * len(places)


def test_no_file_that_is_cut_off_passes(tmp_path, data: bytes) -> None:
    path = tmp_path / "a.mkv"
    clusters = [found.start() for found in re.finditer(b"\x1f\x43\xb6\x75", data)]
    assert len(clusters) == 2
    for size in (*range(0, len(data), 101), *clusters, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(FileFormatError, match=r"a.mkv: it is (no whole Matroska|cut off|damaged)"):
            FlowClip(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(FileFormatError, match=r"a.mkv: it is damaged: it has"):
        FlowClip(path)


def test_a_field_that_is_damaged_leaves_the_others(tmp_path, data: bytes) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(_written(path, data))) as container:
        (stream,) = container.streams
        container.seek(0)
        place = stream.index_entries[2].pos + 200
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    with FlowClip(path) as clip:
        with pytest.raises(FileFormatError, match=r"a.mkv: field 2: it is damaged: wrong checksum"):
            clip[2]
        assert np.array_equal(clip[3][0], FLOWS[3])


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"tags": {}}, "its tag FLOW_FORMAT is missing"),
        ({"tags": TAGS | {"FLOW_SCALE": "32"}}, "its tag FLOW_SCALE is '32', not '64'"),
        ({"tags": TAGS | {"FLOW_FORMAT": "2"}}, "its tag FLOW_FORMAT is '2', not '1'"),
        ({"tags": TAGS | {"FLOW_WIDTH": "-3"}}, "its tags FLOW_WIDTH and FLOW_HEIGHT do not say"),
        ({"tags": TAGS | {"FLOW_WIDTH": "16"}}, "its pictures of 17x26 do not hold flow of 16x13"),
        ({"height": 24}, "its pictures of 17x24 do not hold flow of 17x13"),
        ({"codec": "libx264", "pixels": "gray"}, "it holds h264 in yuv420p, not ffv1 in gray16le"),
        ({"pixels": "gray"}, "it holds ffv1 in gray, not ffv1 in gray16le"),
    ],
)
def test_another_layout_is_refused(tmp_path, changes, fault: str) -> None:
    path = other_file(tmp_path / "a.mkv", **({"tags": TAGS} | changes))
    with pytest.raises(FileFormatError, match=rf"a.mkv: {fault}"):
        FlowClip(path)


def test_a_pixel_known_by_half_is_refused(tmp_path) -> None:
    path = other_file(tmp_path / "a.mkv", TAGS)
    assert not read(path)[0].any()
    with av.open(str(path), "w", format="matroska") as container:
        container.metadata.update(TAGS)
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 17, 26, "gray16le"
        halves = np.repeat(np.array([[0], [9]], np.uint16), [13, 13], axis=0).repeat(17, axis=1)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(halves, format="gray16le")))
        container.mux(stream.encode(None))
    with pytest.raises(FileFormatError, match=r"a.mkv: field 0: a pixel has only one component"):
        read(path)


def test_what_is_no_such_file_is_named(tmp_path) -> None:
    with pytest.raises(FileFormatError, match=r"a.mkv: cannot be read: No such file"):
        FlowClip(tmp_path / "a.mkv")
    with pytest.raises(FileFormatError, match=r"cannot be read: Is a directory"):
        FlowClip(tmp_path)
    (tmp_path / "b.mkv").write_bytes(b"RIFF" + bytes(100))
    with pytest.raises(FileFormatError, match=r"b.mkv: it is no whole Matroska file: 104 bytes"):
        FlowClip(tmp_path / "b.mkv")
