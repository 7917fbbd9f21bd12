import errno
import os
from pathlib import Path

import pytest

from dinoflow_deploy.atomic import atomic_file, atomic_folder
from dinoflow_deploy.errors import InputError, OutputElsewhereError
from tests.atomic.folders import FAILURES, names, write_half


def test_permissions_are_those_of_any_new_file(tmp_path: Path, umask: int) -> None:
    with atomic_file(tmp_path / "file", overwrite=False) as partial:
        partial.write_bytes(b"")
    with atomic_folder(tmp_path / "folder", overwrite=False) as partial:
        (partial / "inner").write_bytes(b"")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~umask
    assert (tmp_path / "folder" / "inner").stat().st_mode & 0o777 == 0o666 & ~umask


def test_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "new" / "bundle"
    with atomic_folder(target, overwrite=False) as partial:
        (partial / "deep").mkdir()
        (partial / "deep" / "model.onnx").write_bytes(b"whole")
        assert not target.exists()
        assert partial.parent == target.parent
    assert (target / "deep" / "model.onnx").read_bytes() == b"whole"
    assert names(target.parent) == ["bundle"]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
@pytest.mark.parametrize("overwrite", [False, True])
def test_failed_folder_changes_nothing(tmp_path: Path, failure: BaseException, overwrite: bool) -> None:
    target = tmp_path / "bundle"
    if overwrite:
        target.mkdir()
        (target / "old").write_bytes(b"old")
    with pytest.raises(type(failure)), atomic_folder(target, overwrite=overwrite) as partial:
        write_half(partial / "new", failure)
    assert names(tmp_path) == (["bundle"] if overwrite else [])
    assert not overwrite or names(target) == ["old"]


def test_folder_with_content_is_kept_unless_asked(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "mine").write_bytes(b"mine")
    with pytest.raises(InputError, match="bundle exists and is not empty: pass --overwrite"):
        atomic_folder(target, overwrite=False).__enter__()
    assert names(target) == ["mine"]
    assert names(tmp_path) == ["bundle"]


def test_overwriting_leaves_nothing_of_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").write_bytes(b"old")
    with atomic_folder(target, overwrite=True) as partial:
        (partial / "new").write_bytes(b"new")
        assert names(target) == ["old"]
    assert names(target) == ["new"]
    assert names(tmp_path) == ["bundle"]


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    with atomic_folder(target, overwrite=False) as partial:
        (partial / "new").write_bytes(b"new")
    assert names(target) == ["new"]
    assert names(tmp_path) == ["bundle"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_folder_in_place_of_a_file_is_refused(tmp_path: Path, overwrite: bool) -> None:
    target = tmp_path / "bundle"
    target.write_bytes(b"a file")
    with pytest.raises(InputError, match="is not a folder"):
        atomic_folder(target, overwrite=overwrite).__enter__()
    assert target.read_bytes() == b"a file"
    assert names(tmp_path) == ["bundle"]


def test_what_appeared_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    folder = atomic_folder(target, overwrite=False)
    (folder.__enter__() / "new").write_bytes(b"new")
    target.mkdir()
    (target / "mine").write_bytes(b"mine")
    with pytest.raises(OutputElsewhereError, match="bundle was made by something else meanwhile") as raised:
        folder.__exit__(None, None, None)
    assert names(target) == ["mine"]
    assert raised.value.kept == tmp_path / "bundle-2"
    assert names(tmp_path / "bundle-2") == ["new"]
    assert names(tmp_path) == ["bundle", "bundle-2"]


def test_an_old_folder_that_may_no_longer_be_replaced_is_kept_and_so_is_the_new(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    target.mkdir()

    def check_old(folder: Path) -> None:
        if (folder / "thesis.tex").exists():
            raise InputError(f"{folder} holds a thesis")

    folder = atomic_folder(target, overwrite=True, check_old=check_old)
    (folder.__enter__() / "new").touch()
    (target / "thesis.tex").touch()
    with pytest.raises(OutputElsewhereError, match=r"holds a thesis; what was made is .*bundle-2"):
        folder.__exit__(None, None, None)
    assert names(target) == ["thesis.tex"]
    assert names(tmp_path / "bundle-2") == ["new"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_link_stays_and_its_folder_is_replaced(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "disk" / "real").mkdir(parents=True)
    link = tmp_path / "bundle"
    link.symlink_to("disk/real")
    if overwrite:
        (link / "old").write_bytes(b"old")
    with atomic_folder(link, overwrite=overwrite) as partial:
        (partial / "new").write_bytes(b"new")
    assert link.is_symlink()
    assert names(tmp_path / "disk") == ["real"]
    assert names(tmp_path / "disk" / "real") == ["new"]


@pytest.mark.parametrize("path", [".", "..", "../here"])
def test_the_current_folder_is_refused_before_the_work(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(InputError, match="is the current folder or holds it"):
        atomic_folder(Path(path), overwrite=True).__enter__()
    assert names(tmp_path) == ["here"]


@pytest.mark.parametrize("make", [atomic_file, atomic_folder])
def test_a_full_disk_is_named(make, tmp_path: Path) -> None:
    # As write() raises it: without a name.
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    message = "out cannot be written: No space left on device; make room"
    with pytest.raises(InputError, match=message), make(tmp_path / "out", overwrite=False):
        raise full
    assert names(tmp_path) == []


def test_a_mount_point_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "disk"
    target.mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda self: self == target)
    with pytest.raises(InputError, match="disk is a mount point"):
        atomic_folder(target, overwrite=True).__enter__()
    assert names(tmp_path) == ["disk"]


@pytest.mark.parametrize("failing", [1, 2], ids=["moving the old away", "moving the new in"])
@pytest.mark.parametrize("interrupted", [False, True])
def test_the_old_folder_comes_back_when_the_swap_fails(
    tmp_path: Path, failing: int, interrupted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, replace, calls = tmp_path / "bundle", Path.replace, 0
    target.mkdir()
    (target / "old").write_bytes(b"old")

    def fail(self: Path, other: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise KeyboardInterrupt if interrupted else OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return replace(self, other)

    monkeypatch.setattr(Path, "replace", fail)
    with (
        pytest.raises(KeyboardInterrupt if interrupted else InputError),
        atomic_folder(target, overwrite=True) as partial,
    ):
        (partial / "new").write_bytes(b"new")
    assert names(target) == ["old"]
    # What cannot be put in place is complete, and lost only to who asked for the end.
    assert names(tmp_path) == (["bundle"] if interrupted else ["bundle", "bundle-2"])


def test_an_interrupt_after_the_swap_keeps_the_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, replace = tmp_path / "bundle", Path.replace
    target.mkdir()
    (target / "old").write_bytes(b"old")

    def late(self: Path, other: Path) -> Path:
        replace(self, other)
        if other == target:
            raise KeyboardInterrupt
        return other

    monkeypatch.setattr(Path, "replace", late)
    with pytest.raises(KeyboardInterrupt), atomic_folder(target, overwrite=True) as partial:
        (partial / "new").write_bytes(b"new")
    assert names(tmp_path) == ["bundle"]
    assert names(target) == ["new"]
