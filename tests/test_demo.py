import subprocess

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from dinoflow_deploy import demo, engines
from dinoflow_deploy.cli.app import app
from dinoflow_deploy.datasets import SceneConfig, render_clip
from dinoflow_deploy.errors import InputError
from tests.video.clips import ConstantEngine, decode


@pytest.fixture
def small_demo(monkeypatch, tmp_path):
    """The demonstration, small, with a model that says "no motion", in this process."""

    def run(command, check):
        result = CliRunner().invoke(app, command[3:])
        return subprocess.CompletedProcess(command, result.exit_code)

    monkeypatch.setattr(demo.subprocess, "run", run)
    monkeypatch.setattr(engines, "load_engine", lambda *_, **__: ConstantEngine(0, 0), raising=False)
    monkeypatch.setattr(demo, "SCENE", SceneConfig(height=64, width=96, max_motion=6, static_probability=0))
    monkeypatch.setattr(demo, "FRAMES", 6)
    monkeypatch.chdir(tmp_path)


def test_it_leaves_a_clip_a_video_and_a_sheet(small_demo, tmp_path, capsys):
    demo.main()
    files = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert files == ["contact-sheet.png", "input.mp4", "side-by-side.mp4"]
    clip = render_clip(demo.SCENE, demo.SEED, 6)
    for stored, frame in zip(decode(tmp_path / "demo" / "input.mp4"), clip.frames, strict=True):
        assert np.abs(stored.astype(int) - frame).mean() < 4
    pictures = decode(tmp_path / "demo" / "side-by-side.mp4")
    assert len(pictures) == 5
    assert pictures[0].shape == (64, 192, 3)
    assert cv2.imread("demo/contact-sheet.png") is not None

    printed = capsys.readouterr().out
    lengths = np.hypot(clip.flow[..., 0], clip.flow[..., 1])
    every, visible = lengths.mean(), lengths[~clip.occluded].mean()
    # The model says "no motion", so both rows are the zero-flow baseline.
    for name in ("nano", "zero flow"):
        (row,) = [line for line in printed.splitlines() if line.startswith(name)]
        assert [float(value) for value in row.split()[-2:]] == pytest.approx([every, visible], abs=0.006)
    assert "frames per second" in printed


def test_it_runs_again_over_its_own_files(small_demo):
    demo.main()
    demo.main()


def test_a_failing_command_fails_the_demo(small_demo, monkeypatch):
    monkeypatch.setattr(
        demo.subprocess, "run", lambda command, check: subprocess.CompletedProcess(command, 1)
    )
    with pytest.raises(SystemExit) as stopped:
        demo.main()
    assert stopped.value.code == 1


def test_a_sheet_that_cannot_be_written_fails_the_demo(small_demo, tmp_path):
    (tmp_path / "demo/contact-sheet.png").mkdir(parents=True)
    with pytest.raises(InputError, match=r"contact-sheet\.png is a folder"):
        demo.main()


def test_contact_sheet_keeps_the_pictures():
    rows = {name: [np.full((20, 30, 3), 10 * number, np.uint8) for number in range(3)] for name in ("a", "b")}
    sheet = demo.contact_sheet(rows, ["1", "2", "3"])
    assert sheet.dtype == np.uint8
    for number in range(1, 3):
        assert (sheet == 10 * number).all(axis=2).sum() >= 2 * 20 * 30
