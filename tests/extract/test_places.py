from pathlib import Path

import pytest

from dinoflow_deploy.extract.choices import FlowChoices
from dinoflow_deploy.extract.inputs import Clip
from dinoflow_deploy.extract.places import placed_tasks
from dinoflow_deploy.extract.row import ClipRow


def files(clips: list[Clip], rows: dict[str, ClipRow] | None = None, **choices: object) -> list[str]:
    return [task.file for task in placed_tasks(clips, rows or {}, Path("/out"), FlowChoices(**choices))]


def test_flow_is_at_the_place_of_its_clip_with_its_name() -> None:
    clips = [Clip("/v/a.mp4", "a.mp4"), Clip("/v/a.avi", "a.avi"), Clip("/v/s/a", "s/a")]
    assert files(clips) == ["a.mp4.mkv", "a.avi.mkv", "s/a.mkv"]
    assert files(clips, format="flo") == ["a.mp4.flo", "a.avi.flo", "s/a.flo"]
    (task, *_) = placed_tasks(clips, {}, Path("/out"), FlowChoices(rgb_max_flow=1.0))
    assert (task.target, task.rgb_target) == (Path("/out/a.mp4.mkv"), Path("/out/a.mp4.rgb.mp4"))


def test_names_that_are_taken_get_digits_that_stay() -> None:
    one, other = Clip("/v/a.mp4", "a.mp4"), Clip("/w/a.mp4", "a.mp4")
    first, second = files([one, other])
    # sha256 of /w/a.mp4
    assert (first, second) == ("a.mp4.mkv", "a~d9bcb902.mp4.mkv")
    rows = {"/v/a.mp4": ClipRow(path="/v/a.mp4", name="a.mp4")}
    assert files([other], rows) == [second]
    rows["/w/a.mp4"] = ClipRow(path="/w/a.mp4", name="a~d9bcb902.mp4")
    assert files([other, one], rows) == [second, first]


def test_long_names_that_are_taken_fit() -> None:
    name = "s/" + "ä" * 124 + ".mp4"
    found = files([Clip("/v/1", name), Clip("/v/2", name), Clip("/v/3", name.replace("ä", "ö"))])
    assert len(set(found)) == 3
    assert all(len(Path(each).name.encode()) <= 255 for each in found)
    assert all(each.startswith("s/") and each.endswith(".mkv") for each in found)


@pytest.mark.parametrize("flow_format", ["mkv", "npy"])
def test_flow_is_never_where_a_folder_of_other_flow_is(flow_format: str) -> None:
    clip, inner = Clip("/v/a.mp4", "a.mp4"), Clip("/v/in/b.mp4", f"a.mp4.{flow_format}/b.mp4")
    # sha256 of /v/a.mp4
    expected = [f"a~d64fcbeb.mp4.{flow_format}", f"a.mp4.{flow_format}/b.mp4.{flow_format}"]
    assert files([clip, inner], format=flow_format) == expected
    assert files([inner, clip], format=flow_format) == expected[::-1]
    rows = {inner.path: ClipRow(path=inner.path, name=inner.name)}
    assert files([clip], rows, format=flow_format) == expected[:1]
    # The folder came later, and what is done keeps its place. sha256 of /v/in/b.mp4
    rows = {clip.path: ClipRow(path=clip.path, name=clip.name)}
    found = [f"a.mp4.{flow_format}", f"a.mp4~110639c3.{flow_format}/b.mp4.{flow_format}"]
    assert files([clip, inner], rows, format=flow_format) == found


def test_pictures_are_not_where_a_folder_is_either() -> None:
    clips = [Clip("/v/a.mp4", "a.mp4"), Clip("/v/b.mp4", "a.mp4.rgb.mp4/b.mp4")]
    (first, second) = placed_tasks(clips, {}, Path("/out"), FlowChoices(rgb_max_flow=1.0))
    assert (first.rgb_file, second.file) == ("a~d64fcbeb.mp4.rgb.mp4", "a.mp4.rgb.mp4/b.mp4.mkv")
