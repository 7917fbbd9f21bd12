import os
import socket
from pathlib import Path

import pytest

from dinoflow_deploy.atomic import atomic_folder, check_file, check_writable, descriptor_of
from dinoflow_deploy.errors import InputError
from tests.atomic.folders import names


def test_a_place_that_cannot_be_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/made/bundle cannot be made: .*file is not a folder"):
        check_writable(tmp_path / "file/made/bundle")
    check_writable(tmp_path / "made/bundle")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="bundle cannot be made: you may not write in"):
        atomic_folder(tmp_path / "made/bundle", overwrite=False).__enter__()
    assert names(tmp_path) == ["file"]


def test_a_link_to_itself_is_refused_before_the_work(tmp_path: Path) -> None:
    link = tmp_path / "loop"
    link.symlink_to("loop")
    for refuse in (check_writable, lambda target: atomic_folder(target, overwrite=True).__enter__()):
        with pytest.raises(InputError, match="loop cannot be made: it is a link that leads to itself"):
            refuse(link)
    assert names(tmp_path) == ["loop"]


def refuse(target: Path, message: str, **options: object) -> None:
    with pytest.raises(InputError, match=message) as raised:
        check_file(target, **({"overwrite": True} | options))
    assert raised.type is InputError


def test_a_file_that_exists_is_refused_unless_asked(tmp_path: Path) -> None:
    target = tmp_path / "out"
    check_file(target, overwrite=False)
    target.touch()
    refuse(target, "out exists: pass --overwrite to replace it, or give another name", overwrite=False)
    check_file(target, overwrite=True)


def test_an_input_is_refused_by_whatever_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clip, other = tmp_path / "clip.mp4", tmp_path / "other.mp4"
    clip.touch()
    other.touch()
    Path("soft.mp4").symlink_to("clip.mp4")
    Path("hard.mp4").hardlink_to(clip)
    for name in ("clip.mp4", "soft.mp4", "hard.mp4", "../" + tmp_path.name + "/clip.mp4"):
        for source in (clip, Path("soft.mp4"), Path("hard.mp4")):
            for overwrite in (False, True):
                refuse(
                    Path(name), r"mp4 is an input: give", inputs=[Path("gone"), source], overwrite=overwrite
                )
    check_file(other, overwrite=True, inputs=[clip, tmp_path / "gone"])


def test_what_lies_in_an_input_folder_is_refused_behind_whatever_links(tmp_path: Path) -> None:
    root, disk = tmp_path / "Sintel", tmp_path / "disk"
    for folder in (root / "training/clean", disk / "final", disk / "elsewhere"):
        folder.mkdir(parents=True)
    frames = [
        folder / "frame_0001.png" for folder in (root / "training/clean", disk / "final", disk / "elsewhere")
    ]
    for frame in frames:
        frame.touch()
    (root / "training/final").symlink_to(disk / "final")
    (root / "training/final/back").symlink_to(root)  # a ring
    (root / "training/loop").symlink_to("loop")
    (root / "training/gone").symlink_to("nowhere")
    (root / "training/clean/frame_0002.png").symlink_to(frames[2])
    (tmp_path / "link").symlink_to(root)
    for frame in frames:
        for given in (root, tmp_path / "link"):
            refuse(frame, f"frame_0001.png lies in {given}, which is an input", inputs=[given])
    (disk / "mine.png").touch()
    check_file(disk / "mine.png", overwrite=True, inputs=[root])
    check_file(root / "new.png", overwrite=False, inputs=[root])


def test_what_is_neither_file_nor_pipe_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path, "is a folder: give a file name")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        refuse(tmp_path / "socket", "socket is neither a file nor a pipe")
    check_file(Path("/dev/null"), overwrite=False)


def test_descriptors_that_cannot_be_written_to_are_refused(tmp_path: Path) -> None:
    (tmp_path / "read").touch()
    with (tmp_path / "read").open() as read, (tmp_path / "written").open("w") as written:
        refuse(Path(f"/dev/fd/{read.fileno()}"), "it is open for reading alone")
        check_file(Path(f"/dev/fd/{written.fileno()}"), overwrite=False)
        closed = Path(f"/proc/self/fd/{written.fileno()}")
    refuse(closed, "nothing is open there")


@pytest.mark.parametrize("folder", ["", "new"])
def test_a_name_that_does_not_fit_is_refused(tmp_path: Path, folder: str) -> None:
    check_file(tmp_path / folder / ("x" * 255), overwrite=False)
    (tmp_path / "new").mkdir()
    for check in (check_writable, lambda target: atomic_folder(target, overwrite=True).__enter__()):
        with pytest.raises(InputError, match="a name of 256 bytes is too long, file systems take 255"):
            check(tmp_path / folder / ("ü" * 128))


def test_a_descriptor_is_of_this_process_alone() -> None:
    """Another's open file of the same number is written to by its path."""
    assert descriptor_of(Path("/proc/self/fd/1")) == 1
    assert descriptor_of(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/fd/2")) == 2
    assert descriptor_of(Path(f"/proc/{os.getppid()}/fd/1")) is None
