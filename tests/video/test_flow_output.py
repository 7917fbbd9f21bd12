from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import FlowClip, read_flow
from dinoflow_deploy.video import Selection, VideoOptions, flow_video, open_source
from dinoflow_deploy.video.outputs import check_outputs
from tests.video.clips import ConstantEngine, NumberedSource, write_clip

CLIP = NumberedSource(10)


class Growing(ConstantEngine):
    """The flow of pair n is n px and a third to the right."""

    def _run(self, images1: np.ndarray, images2: np.ndarray) -> np.ndarray:
        flow = super()._run(images1, images2)
        flow[:, 0] = len(self.seen) + 1 / 3
        return flow


def saved(clip: Path, target: Path, **options: object) -> None:
    with open_source([str(clip)]) as source:
        flow_video(source, Growing(), None, VideoOptions(save_flow=target, **options))


def test_one_file_holds_what_a_folder_does(tmp_path) -> None:
    clip = write_clip(tmp_path / "in.mkv", pts=[0, 1, 2, 5, 6, 8, 9, 10], frames=8, rate=Fraction(25))
    chosen = Selection(1, None, 2)
    saved(clip, tmp_path / "flow.mkv", selection=chosen)
    saved(clip, tmp_path / "flow", selection=chosen, flow_format="npy")
    files = sorted((tmp_path / "flow").iterdir())
    with FlowClip(tmp_path / "flow.mkv") as found:
        assert len(found) == len(files) == 3
        for (flow, valid), file in zip(found, files, strict=True):
            assert valid.all()
            assert np.abs(flow - read_flow(file)[0]).max() <= 1 / 128
        # Of frames 1, 3 and 5, from the first one used on.
        assert found.times == (0, 0.16, 0.28)
        assert (found.model, found.source) == ("constant", str(clip))
        assert (found.width, found.height) == (96, 64)


def test_a_clip_that_fails_leaves_no_file(tmp_path) -> None:
    clip = write_clip(tmp_path / "in.mp4")
    with pytest.raises(InputError, match=r"field 0: u is 600.000 px"), open_source([str(clip)]) as source:
        flow_video(source, ConstantEngine(600), None, VideoOptions(save_flow=tmp_path / "flow.mkv"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


@pytest.mark.parametrize("option", ["backward", "occlusion"])
def test_what_one_file_cannot_hold_is_refused(tmp_path, option: str) -> None:
    options = VideoOptions(save_flow=tmp_path / "flow.mkv", **{option: True})
    with pytest.raises(InputError, match=r"flow.mkv holds forward flow alone: .* name a folder"):
        check_outputs(tmp_path / "out.mp4", options, CLIP)


def test_a_file_is_kept_unless_asked_and_is_never_the_input(tmp_path) -> None:
    target = write_clip(tmp_path / "in.mkv")
    with pytest.raises(InputError, match=r"in.mkv exists: pass --overwrite"):
        check_outputs(None, VideoOptions(save_flow=target), CLIP)
    check_outputs(None, VideoOptions(save_flow=target, overwrite=True), CLIP)
    with open_source([str(target)]) as source, pytest.raises(InputError, match=r"in.mkv is an input"):
        check_outputs(None, VideoOptions(save_flow=target, overwrite=True), source)
    with pytest.raises(InputError, match=r"r.mkv is named twice"):
        check_outputs(
            tmp_path / "o.mp4", VideoOptions(save_flow=tmp_path / "r.mkv"), CLIP, tmp_path / "r.mkv"
        )


@pytest.mark.parametrize("name", ["flow.mp4", "flow.MOV"])
def test_another_video_is_no_name_of_a_folder(tmp_path, name: str) -> None:
    clip = write_clip(tmp_path / "in.mkv", frames=3)
    with pytest.raises(InputError, match=rf"{name} would be a folder: flow in one file is \.mkv"):
        saved(clip, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]
    (tmp_path / name).mkdir()
    saved(clip, tmp_path / name)
    assert len([*(tmp_path / name).iterdir()]) == 2
