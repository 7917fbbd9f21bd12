from pathlib import Path

import pytest

from dinoflow_deploy.video.matroska import has_all_bytes
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
