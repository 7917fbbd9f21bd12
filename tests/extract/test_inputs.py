from pathlib import Path

import pytest

from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.extract.inputs import find_clips


@pytest.fixture
def tree(tmp_path) -> Path:
    """Clips, frames, and what is neither."""
    for name in (
        *(
            "v/a.mp4",
            "v/b.AVI",
            "v/notes.txt",
            "v/.hidden.mp4",
            "v/.cache/c.mp4",
            "v/x/a.mp4",
            "v/x/poster.png",
        ),
        *(
            "v/frames/1.png",
            "v/frames/2.png",
            "v/frames/deep/z.webm",
            "v/old/extract.json",
            "v/old/a.mp4.mkv",
        ),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(found) -> list[str]:
    return [clip.name for clip in found]


def test_a_folder_stands_for_the_clips_beneath_it(tree) -> None:
    found = find_clips([str(tree / "v")], tree / "out")
    assert sorted(names(found)) == ["a.mp4", "b.AVI", "frames", "frames/deep/z.webm", "x/a.mp4"]
    assert all(Path(clip.path) == tree / "v" / clip.name for clip in found)
    assert names(find_clips([str(tree / "v/frames")], tree / "out")) == ["frames", "deep/z.webm"]


def test_flow_is_no_clip(tree) -> None:
    (tree / "v/flow").mkdir()
    (tree / "v/flow/a.mp4.mkv").touch()
    assert "flow/a.mp4.mkv" not in names(find_clips([str(tree / "v")], tree / "v/flow"))
    with pytest.raises(InputError, match=r"v is the output: name the folder"):
        find_clips([str(tree / "v")], tree / "v")


def test_a_pattern_is_placed_from_where_it_begins(tree, monkeypatch) -> None:
    assert names(find_clips([str(tree / "v/*/*.mp4")], tree / "out")) == ["x/a.mp4"]
    assert names(find_clips([str(tree / "v/**/*.mp4")], tree / "out")) == ["a.mp4", "x/a.mp4"]
    assert names(find_clips([str(tree / "v/f*")], tree / "out")) == ["frames", "frames/deep/z.webm"]
    monkeypatch.chdir(tree)
    assert names(find_clips(["*/*.mp4"], Path("out"))) == ["v/a.mp4"]
    with pytest.raises(InputError, match=r"\*.mov holds no clip"):
        find_clips(["v/*.mov"], Path("out"))


def test_a_clip_counts_once_whatever_names_it(tree, monkeypatch) -> None:
    monkeypatch.chdir(tree)
    given = ["v/a.mp4", "v", str(tree / "v/x/../a.mp4"), "v/*.mp4"]
    assert names(find_clips(given, Path("out"))).count("a.mp4") == 1
    assert len(find_clips(given, Path("out"))) == 5


def test_lists_name_clips_from_where_they_lie(tree) -> None:
    listed = tree / "lists/all.txt"
    listed.parent.mkdir()
    listed.write_text(f"near.mp4\n../v/a.mp4\n{tree}/v/b.AVI\nx/../sub/far.mp4\n")
    found = find_clips([str(listed)], tree / "out")
    below = str(tree).lstrip("/")
    assert [(clip.name, clip.path) for clip in found] == [
        ("near.mp4", f"{tree}/lists/near.mp4"),
        (f"{below}/v/a.mp4", f"{tree}/v/a.mp4"),
        (f"{below}/v/b.AVI", f"{tree}/v/b.AVI"),
        ("sub/far.mp4", f"{tree}/lists/sub/far.mp4"),
    ]


def test_a_circle_of_links_ends(tree) -> None:
    (tree / "v/again").symlink_to(tree / "v")
    assert len(find_clips([str(tree / "v")], tree / "out")) == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere.mp4", r"nowhere.mp4 is missing: name clips, folders"),
        ("v/.cache/empty", r"empty holds no clip: no video, and no folder with two images"),
    ],
)
def test_what_is_not_there_is_said(tree, given: str, message: str) -> None:
    (tree / "v/.cache/empty").mkdir()
    with pytest.raises(InputError, match=message):
        find_clips([str(tree / given)], tree / "out")


def test_a_damaged_list_is_named(tree) -> None:
    (tree / "list.csv").write_text("file\na.mp4\n")
    with pytest.raises(FileFormatError, match=r"list.csv has no column 'path': it has 'file'"):
        find_clips([str(tree / "list.csv")], tree / "out")
