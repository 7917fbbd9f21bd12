from pathlib import Path

import cv2
import numpy as np
import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import write_flow
from dinoflow_deploy.video import open_source
from dinoflow_deploy.video.options import VideoOptions
from dinoflow_deploy.video.outputs import check_outputs, default_output
from tests.video.clips import NumberedSource, picture, write_clip

CLIP, PAIR = NumberedSource(10), NumberedSource(2)


@pytest.mark.parametrize("name", ["out.mkv", "out.avi", "out", "out.png"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"the output is one of \.mp4, \.webm, \.gif: name it 'out\.mp4'"):
        check_outputs(tmp_path / name, VideoOptions(), CLIP)


@pytest.mark.parametrize("name", ["out.png", "out.MP4", "out.gif", "out.webm"])
def test_a_pair_may_be_a_picture(tmp_path, name):
    check_outputs(tmp_path / name, VideoOptions(), PAIR)
    with pytest.raises(InputError, match=r"one of \.mp4, \.webm, \.gif, \.png: name it"):
        check_outputs(tmp_path / "out.jpg", VideoOptions(), PAIR)


def test_what_exists_is_kept_unless_asked(tmp_path):
    output = tmp_path / "out.mp4"
    output.write_bytes(b"precious")
    with pytest.raises(InputError, match=r"out\.mp4 exists: pass --overwrite"):
        check_outputs(output, VideoOptions(), CLIP)
    check_outputs(output, VideoOptions(overwrite=True), CLIP)
    assert output.read_bytes() == b"precious"


def test_without_a_video_there_must_be_a_folder_for_flow_files(tmp_path):
    with pytest.raises(InputError, match=r"nothing is written but flow files: .* \(save-flow\)"):
        check_outputs(None, VideoOptions(), CLIP)
    options = VideoOptions(save_flow=tmp_path / "flow")
    check_outputs(None, options, CLIP, tmp_path / "report.json")
    with pytest.raises(InputError, match=r"report\.json lies in .*flow, which holds nothing but flow files"):
        check_outputs(None, options, CLIP, tmp_path / "flow/report.json")


def test_a_folder_is_no_output(tmp_path):
    (tmp_path / "out.mp4").mkdir()
    for folder in (tmp_path / "out.mp4", tmp_path, Path()):
        with pytest.raises(InputError, match="is a folder"):
            check_outputs(folder, VideoOptions(overwrite=True), CLIP)


@pytest.mark.parametrize("locked", ["out", "report", "flow"])
def test_where_nothing_may_be_written_is_refused_before_the_work(tmp_path, monkeypatch, locked):
    # Told, not tried: root may write everywhere.
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path / locked)
    (tmp_path / locked).mkdir()
    options = VideoOptions(save_flow=tmp_path / "flow/new/flow")
    with pytest.raises(InputError, match=f"cannot be made: you may not write in .*{locked}; choose another"):
        check_outputs(tmp_path / "out/new/out.mp4", options, CLIP, tmp_path / "report/report.json")


def test_a_flow_folder_is_replaced_only_if_it_holds_flow_alone(tmp_path):
    folder, output = tmp_path / "flow", tmp_path / "out.mp4"
    check_outputs(output, VideoOptions(save_flow=folder), CLIP)
    folder.mkdir()
    check_outputs(output, VideoOptions(save_flow=folder), CLIP)
    (folder / "000000.flo").touch()
    with pytest.raises(InputError, match="exists and is not empty"):
        check_outputs(output, VideoOptions(save_flow=folder), CLIP)
    check_outputs(output, VideoOptions(save_flow=folder, overwrite=True), CLIP)
    (folder / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"holds more than flow files \('thesis\.tex'\)"):
        check_outputs(output, VideoOptions(save_flow=folder, overwrite=True), CLIP)


def test_a_file_is_no_flow_folder(tmp_path):
    (tmp_path / "flow").touch()
    with pytest.raises(InputError, match="is not a folder"):
        check_outputs(tmp_path / "out.mp4", VideoOptions(save_flow=tmp_path / "flow"), CLIP)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["some/where/clip.mov"], "clip-flow.mp4"),
        (["0"], "camera-0-flow.mp4"),
        (["rtsp://10.0.0.1:554/front.sdp"], "front-flow.mp4"),
        (["rtsp://camera.local:554/"], "camera.local-flow.mp4"),
        (["take/frames/*.png"], "frames-flow.mp4"),
        (["a.png", "b.png"], "a-flow.png"),
        (["a.png", "b.png", "c.png", "d.png"], "a-flow.mp4"),
    ],
)
def test_default_names(inputs, expected):
    assert str(default_output(inputs)) == expected


def test_a_folder_names_its_output(tmp_path, monkeypatch):
    folder = tmp_path / "take.2"
    folder.mkdir()
    assert str(default_output([str(folder)])) == "take.2-flow.mp4"
    monkeypatch.chdir(folder)
    assert str(default_output(["."])) == "take.2-flow.mp4"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"render": "hsv"}, "render is 'hsv': choose one of flow, overlay, side-by-side, arrows"),
        ({"flow_format": "exr"}, "flow-format is 'exr': choose one of flo, png, npy"),
        ({"max_flow": 0}, "max-flow is 0"),
        (
            {"render": "arrows", "legend": True},
            r"legend is for renderings with colours \(flow, overlay, side-by-side\), not arrows",
        ),
        ({"max_flow": float("nan")}, "max-flow is nan"),
    ],
)
def test_options_are_checked(values, message):
    with pytest.raises(InputError, match=message):
        VideoOptions(**values)


def test_an_input_is_never_replaced(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    (tmp_path / "same.mp4").symlink_to(clip)
    with open_source([str(clip)]) as source:
        for name in ("clip.mp4", "same.mp4"):
            with pytest.raises(InputError, match=f"{name} is an input"):
                check_outputs(tmp_path / name, VideoOptions(overwrite=True), source)


def test_the_folder_of_the_input_is_never_replaced(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        # Named as saved flow is.
        cv2.imwrite(str(folder / f"{number:06d}.png"), picture(number, 32, 32))
    with open_source([str(folder)]) as source, pytest.raises(InputError, match="frames holds the input"):
        check_outputs(tmp_path / "out.mp4", VideoOptions(save_flow=folder, overwrite=True), source)


@pytest.mark.parametrize(
    ("output", "report", "save_flow"),
    [
        ("results/out.mp4", None, "results"),
        ("results/deep/out.mp4", None, "results"),
        ("link/out.mp4", None, "results"),
        ("out.mp4", None, "out.mp4"),
        ("out.mp4", None, "out.mp4/flow"),
        ("out.mp4", "results/report.json", "results"),
    ],
)
def test_no_output_lies_in_the_flow_folder_that_is_replaced_as_a_whole(tmp_path, output, report, save_flow):
    (tmp_path / "results").mkdir()
    (tmp_path / "link").symlink_to("results")
    options = VideoOptions(save_flow=tmp_path / save_flow, overwrite=True)
    with pytest.raises(InputError, match="holds nothing but flow files: choose another folder"):
        check_outputs(tmp_path / output, options, CLIP, report and tmp_path / report)
    beside = VideoOptions(save_flow=tmp_path / "results", overwrite=True)
    check_outputs(tmp_path / "results2" / "out.mp4", beside, CLIP, tmp_path / "report.json")


def test_the_report_replaces_neither_input_nor_output(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    with open_source([str(clip)]) as source:
        for report, message in (("clip.mp4", "is an input"), ("out.mp4", "is named twice")):
            with pytest.raises(InputError, match=message):
                check_outputs(tmp_path / "out.mp4", VideoOptions(overwrite=True), source, tmp_path / report)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_pictures_that_are_named_like_flow_are_never_replaced(tmp_path, depth):
    folder = tmp_path / "frames"
    write_flow(folder / "000000.png", np.zeros((8, 9, 2), np.float32))
    options = VideoOptions(save_flow=folder, overwrite=True)
    check_outputs(tmp_path / "out.mp4", options, CLIP)
    cv2.imwrite(str(folder / "000001.png"), np.zeros((8, 9) if depth == np.uint16 else (8, 9, 3), depth))
    with pytest.raises(InputError, match=r"frames holds more than flow files \('000001\.png'\)"):
        check_outputs(tmp_path / "out.mp4", options, CLIP)


def test_a_folder_named_like_flow_is_never_replaced(tmp_path):
    (tmp_path / "flow" / "000000.flo").mkdir(parents=True)
    with pytest.raises(InputError, match="holds more than flow files"):
        check_outputs(tmp_path / "out.mp4", VideoOptions(save_flow=tmp_path / "flow", overwrite=True), CLIP)
