"""README's Python, run as it stands."""

from pathlib import Path

import cv2
import numpy as np

from dinoflow_deploy.flow import read_flow
from tests.video.clips import picture, write_clip

README = Path(__file__).parents[1] / "README.md"


def python_blocks() -> list[str]:
    """The blocks of Python under "Python", but for those that need a GPU."""
    section = README.read_text().partition("\n## Python\n")[2].partition("\n## ")[0]
    blocks = [block.partition("```")[0] for block in section.split("```python\n")[1:]]
    return [block for block in blocks if 'device="cuda"' not in block]


def test_the_readmes_python_runs(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        cv2.imwrite(f"frame{number}.png", picture(number, 96, 64)[..., ::-1])
    write_clip(Path("in.mp4"), frames=3)
    values: dict[str, np.ndarray] = {}
    for block in python_blocks():
        exec(compile(block, README.name, "exec"), values)
    assert read_flow("flow.flo")[0].shape == (64, 96, 2)
    np.testing.assert_array_equal(values["frame"], picture(1, 96, 64))
    assert values["occluded"].shape == values["valid"].shape == (64, 96)
    assert values["warped"].shape == (64, 96, 3)
    printed = capsys.readouterr().out
    assert "nano, fp32, onnxruntime on " in printed
    assert printed.count("px in a frame of (64, 96, 3)") == 2
