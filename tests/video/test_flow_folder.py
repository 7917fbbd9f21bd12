import cv2
import numpy as np
import pytest

from dinoflow_deploy.errors import InputError, OutputElsewhereError
from dinoflow_deploy.flow import read_flow, write_flow
from dinoflow_deploy.video import VideoOptions
from dinoflow_deploy.video.color_scale import FlowFrame
from dinoflow_deploy.video.flow_folder import check_only_flow, open_flow_folder, write_pair
from dinoflow_deploy.video.frame_source import Frame
from dinoflow_deploy.video.options import FLOW_FORMATS

RNG = np.random.default_rng(0)
IMAGE = np.zeros((8, 9, 3), np.uint8)
FORWARD, BACKWARD = np.round(64 * RNG.normal(0, 5, (2, 8, 9, 2)).astype(np.float32)) / 64
OCCLUDED, BACKWARD_OCCLUDED = RNG.random((2, 8, 9)) < 0.3
PAIR = FlowFrame(Frame(42, IMAGE, 0), FORWARD, 1, OCCLUDED, IMAGE, BACKWARD, BACKWARD_OCCLUDED)


@pytest.mark.parametrize("flow_format", FLOW_FORMATS)
def test_all_of_a_pair_is_named_by_its_first_frame(tmp_path, flow_format):
    write_pair(tmp_path, PAIR, flow_format)
    names = {f"000042.{flow_format}": FORWARD, f"000042-backward.{flow_format}": BACKWARD}
    masks = {"000042-occluded.png": OCCLUDED, "000042-backward-occluded.png": BACKWARD_OCCLUDED}
    assert {path.name for path in tmp_path.iterdir()} == names.keys() | masks.keys()
    for name, flow in names.items():
        np.testing.assert_array_equal(read_flow(tmp_path / name)[0], flow)
    for name, mask in masks.items():
        levels = cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED)
        assert levels.dtype == np.uint8
        np.testing.assert_array_equal(levels, np.where(mask, 255, 0))
    check_only_flow(tmp_path)


def test_what_was_not_asked_for_is_not_there(tmp_path):
    write_pair(tmp_path, FlowFrame(PAIR.frame, FORWARD, 1, occluded=OCCLUDED), "flo")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000042-occluded.png", "000042.flo"]


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("000042-occluded.png", IMAGE),
        ("000042-backward-occluded.png", np.zeros((8, 9), np.uint16)),
        ("000042-backward.png", IMAGE[..., 0]),
        ("mine-occluded.png", IMAGE[..., 0]),
        ("000042-forward.png", np.zeros((8, 9, 3), np.uint16)),
    ],
)
def test_pictures_of_other_kinds_and_names_are_the_users_own(tmp_path, name, image):
    write_pair(tmp_path, PAIR, "png")
    cv2.imwrite(str(tmp_path / name), image)
    with pytest.raises(InputError, match=f"holds more than flow files .'{name}'"):
        check_only_flow(tmp_path)


def test_what_was_put_into_the_flow_folder_meanwhile_is_kept_and_so_is_the_flow(tmp_path):
    folder = tmp_path / "flow"
    write_flow(folder / "000000.flo", np.zeros((8, 9, 2), np.float32))
    opened = open_flow_folder(VideoOptions(save_flow=folder, overwrite=True))
    (opened.__enter__() / "000001.flo").touch()
    (folder / "thesis.tex").touch()
    with pytest.raises(OutputElsewhereError, match=r"thesis\.tex.*what was made is .*flow-2"):
        opened.__exit__(None, None, None)
    assert sorted(path.name for path in folder.iterdir()) == ["000000.flo", "thesis.tex"]
    assert [path.name for path in (tmp_path / "flow-2").iterdir()] == ["000001.flo"]
