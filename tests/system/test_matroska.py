from itertools import pairwise
from pathlib import Path

import pytest

from dinoflow_deploy.system.matroska import CLUSTER, has_all_bytes, parts
from tests.video.clips import write_clip

EBML = bytes.fromhex("1A45DFA3 84 00000000")
SEGMENT = bytes.fromhex("18538067")


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        pytest.param(EBML + SEGMENT + b"\x83abc", True, id="size of one byte"),
        pytest.param(EBML + SEGMENT + b"\x83ab", False, id="cut off"),
        pytest.param(EBML + SEGMENT + b"\x01\0\0\0\0\0\0\x03abc", True, id="size of eight bytes"),
        pytest.param(EBML + SEGMENT + b"\x83abcd", True, id="more behind it"),
        pytest.param(EBML + SEGMENT + b"\xffabc", False, id="unknown size"),
        pytest.param(
            EBML + SEGMENT + b"\x01" + 7 * b"\xff" + b"abc", False, id="unknown size of eight bytes"
        ),
        pytest.param(EBML[:-1], False, id="the header only"),
        pytest.param(b"RIFF" + bytes(20), False, id="another format"),
        pytest.param(b"", False, id="nothing"),
    ],
)
def test_the_segment_says_where_the_file_ends(tmp_path: Path, data: bytes, whole: bool) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(data)
    assert has_all_bytes(path) == whole


@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_files_of_ffmpeg(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / name, frames=3, codec="libvpx" if name == "a.webm" else "libx264")
    assert has_all_bytes(path)
    path.write_bytes(path.read_bytes()[:-1])
    assert not has_all_bytes(path)


def test_the_parts_of_ffmpeg_s_files_fill_them_and_have_their_checksums(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", frames=30, options={"cluster_time_limit": "200"})
    data = path.read_bytes()
    with path.open("rb") as file:
        found = list(parts(file))
        assert all(part.is_sound(file) for part in found)
    assert all(one.content + one.size == next_.start for one, next_ in pairwise(found))
    assert found[-1].content + found[-1].size == len(data)
    (_, cluster, *_) = [part for part in found if part.name == CLUSTER]
    path.write_bytes(data[: cluster.content + 50] + b"\xff" + data[cluster.content + 51 :])
    with path.open("rb") as file:
        assert [part for part in parts(file) if not part.is_sound(file)] == [cluster]
