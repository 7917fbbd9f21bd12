from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoflow_deploy.datasets import FlowSample
from dinoflow_deploy.datasets.checking.contact_sheet import write_sheet
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import flow_to_rgb


def sample(height: int, width: int, color: tuple[int, int, int]) -> FlowSample:
    flow = np.full((height, width, 2), (4, 0), np.float32)
    valid = np.zeros((height, width), np.bool_)
    valid[: height // 2] = True
    frame = np.full((height, width, 3), color, np.uint8)
    return FlowSample(frame, frame[::-1], flow, valid, None, "a/b")


def test_rows_show_frames_and_flow(tmp_path: Path) -> None:
    write_sheet(
        tmp_path / "a.png", [sample(50, 100, (255, 0, 0)), sample(40, 40, (0, 200, 0))], overwrite=False
    )
    image = cv2.imread(str(tmp_path / "a.png"))[..., ::-1]
    assert image.shape == ((26 + 200 + 6) + (26 + 400 + 6), 3 * 406, 3)
    upper, lower = image[26:226], image[258:658]
    for row, color in ((upper, (255, 0, 0)), (lower, (0, 200, 0))):
        for left in (0, 406):
            assert (row[:, left : left + 400] == color).all()
        half = len(row) // 2
        assert (row[:half, 812:1212] == flow_to_rgb(np.full((1, 1, 2), (4, 0), np.float32))[0, 0]).all()
        assert (row[half:, 812:1212] == 0).all()
    assert (image[:26] < 128).any(), "a caption"


def test_a_sample_without_truth_or_motion_is_drawn(tmp_path: Path) -> None:
    empty = sample(20, 30, (9, 9, 9))
    empty.valid[:] = False
    still = sample(20, 30, (9, 9, 9))
    still.flow[:] = 0
    write_sheet(tmp_path / "a.jpg", [empty, still], overwrite=False)
    assert cv2.imread(str(tmp_path / "a.jpg")) is not None


def test_a_name_that_is_no_text_is_drawn_escaped(tmp_path: Path) -> None:
    # As Python reads bytes that are not UTF-8; OpenCV crashes on it.
    odd, escaped = (replace(sample(20, 30, (9, 9, 9)), name=name) for name in ("a\udcff", "a\\udcff"))
    for name, each in (("odd.png", odd), ("escaped.png", escaped)):
        write_sheet(tmp_path / name, [each], overwrite=False)
    assert (tmp_path / "odd.png").read_bytes() == (tmp_path / "escaped.png").read_bytes()


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.gif: a sheet is written as \.png or \.jpg"):
        write_sheet(tmp_path / "a.gif", [sample(2, 2, (0, 0, 0))], overwrite=False)
    with pytest.raises(InputError, match="none of the pairs"):
        write_sheet(tmp_path / "a.png", [], overwrite=False)
    assert list(tmp_path.iterdir()) == []
