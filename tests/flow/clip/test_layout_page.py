"""What docs/flow-video.md says of the file holds for readers that know nothing of this package."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dinoflow_deploy.flow import FlowClip, FlowClipWriter
from dinoflow_deploy.flow.clip.layout import ClipTags

PAGE = (Path(__file__).parents[3] / "docs/flow-video.md").read_text()
TIMES = [0, 0.04, 0.2]


def snippet(heading: str) -> str:
    section = re.split(r"^## ", PAGE.partition(f"## With {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^```(?:python)?\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0]


@pytest.fixture
def fields(tmp_path, monkeypatch) -> tuple[np.ndarray, np.ndarray]:
    """Flow that the file holds exactly, and which of it is known; the file is flow.mkv in this folder."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    flows = generator.integers(-32767, 32768, (3, 5, 7, 2)).astype(np.float32) / 64
    valid = generator.random((3, 5, 7)) > 0.2
    with FlowClipWriter("flow.mkv", model="nano", source="a.mp4") as writer:
        for flow, known, time in zip(flows, valid, TIMES, strict=True):
            writer.write(flow, known, time=time)
    return flows, valid


@pytest.mark.parametrize("reader", ["OpenCV", "PyAV"])
def test_other_readers_need_the_page_s_lines_alone(fields, reader: str) -> None:
    found: dict[str, object] = {}
    exec(snippet(reader), found)
    flows, valid = fields
    assert np.array_equal(found["masks"], valid)
    assert np.array_equal(np.array(found["flows"])[valid], flows[valid])
    assert found.get("times", TIMES) == TIMES


def test_this_package_s_lines(fields) -> None:
    exec(snippet("this package"), {})
    flows, valid = fields
    with FlowClip("copy.mkv") as clip:
        assert np.array_equal([known for _, known in clip], valid)
        assert np.array_equal(np.array([flow for flow, _ in clip])[valid], flows[valid])
        assert list(clip.times) == TIMES
    assert Path("copy.mkv").read_bytes() == Path("flow.mkv").read_bytes()


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg on PATH")
def test_ffmpeg_s_lines(fields) -> None:
    ffprobe, ffmpeg = snippet("FFmpeg").splitlines()
    tags = subprocess.run(ffprobe.split(), capture_output=True, text=True, check=True).stdout
    subprocess.run(ffmpeg.split(), check=True)
    samples = np.fromfile("samples.raw", "<u2").reshape(3, 2, 5, 7)
    flows, valid = fields
    expected = np.where(valid[..., None], flows * 64 + 32768, 0)
    assert np.array_equal(samples, expected.transpose(0, 3, 1, 2))
    assert {"TAG:FLOW_UNIT=px", "TAG:FLOW_MODEL=nano", "TAG:FLOW_HEIGHT=5"} <= set(tags.splitlines())


def test_all_tags_are_specified() -> None:
    rows = re.findall(r"^\| (`FLOW.*?) \| (?:`(.*?)`)?", PAGE, re.MULTILINE)
    named = {name: value for cell, value in rows for name in re.findall(r"\w+", cell)}
    tags = ClipTags(7, 5, "nano", "a.mp4").to_tags()
    assert set(named) == set(tags)
    assert all(tags[name] == value for name, value in named.items() if value)
