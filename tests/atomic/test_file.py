import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from dinoflow_deploy.atomic import atomic_file, atomic_folder
from dinoflow_deploy.errors import InputError, OutputElsewhereError
from tests.atomic.folders import FAILURES, names, write_half


def test_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "new" / "flow.flo"
    with atomic_file(target, overwrite=True) as partial:
        partial.write_bytes(b"whole")
        assert not target.exists()
        assert partial.parent == target.parent
        assert partial.suffix == ".flo"
    assert target.read_bytes() == b"whole"
    assert names(target.parent) == ["flow.flo"]


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
@pytest.mark.parametrize("before", [None, b"old"], ids=["absent", "present"])
def test_failed_file_changes_nothing(tmp_path: Path, failure: BaseException, before: bytes | None) -> None:
    target = tmp_path / "flow.flo"
    if before is not None:
        target.write_bytes(before)
    with pytest.raises(type(failure)), atomic_file(target, overwrite=True) as partial:
        write_half(partial, failure)
    assert names(tmp_path) == ([] if before is None else ["flow.flo"])
    assert before is None or target.read_bytes() == before


def test_file_replaces_an_older_one(tmp_path: Path) -> None:
    target = tmp_path / "flow.flo"
    target.write_bytes(b"old")
    with atomic_file(target, overwrite=True) as partial:
        partial.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"


def test_file_may_be_written_by_a_library_that_replaces_it(tmp_path: Path) -> None:
    target = tmp_path / "model.safetensors"
    with atomic_file(target, overwrite=True) as partial:
        partial.unlink()
        partial.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_file_that_was_not_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "flow.flo", overwrite=True) as partial:
        partial.unlink()
    assert names(tmp_path) == []


def test_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flow.flo").mkdir()
    with pytest.raises(InputError, match=r"flow\.flo is a folder: give a file name"):
        atomic_file(tmp_path / "flow.flo", overwrite=True).__enter__()
    assert names(tmp_path) == ["flow.flo"]


def make(target: Path, meanwhile: Callable[[], object] = lambda: None, *, overwrite: bool = False) -> None:
    """Write a file while something else happens."""
    with atomic_file(target, overwrite=overwrite) as partial:
        partial.write_bytes(b"made")
        meanwhile()


def make_in_vain(target: Path, message: str, meanwhile: Callable[[], object] = lambda: None) -> Path:
    """Write a file whose name is taken meanwhile; gives the path where it was kept."""
    with pytest.raises(OutputElsewhereError, match=message) as raised:
        make(target, meanwhile)
    assert f"what was made is {raised.value.kept}" in str(raised.value)
    assert raised.value.kept.read_bytes() == b"made"
    return raised.value.kept


def test_a_pipe_that_appeared_meanwhile_is_never_replaced(tmp_path: Path) -> None:
    target = tmp_path / "flow.mp4"
    with pytest.raises(OutputElsewhereError) as raised:
        make(target, lambda: os.mkfifo(target), overwrite=True)
    assert target.is_fifo()
    assert raised.value.kept.read_bytes() == b"made"


def test_what_appeared_meanwhile_is_kept_and_so_is_what_was_made(tmp_path: Path) -> None:
    target = tmp_path / "flow.tar.mp4"
    (tmp_path / "flow.tar-2.mp4").write_bytes(b"an earlier one")
    kept = make_in_vain(
        target, "mp4 was made by something else meanwhile, and is kept", lambda: target.write_bytes(b"theirs")
    )
    assert target.read_bytes() == b"theirs"
    assert kept == tmp_path / "flow.tar-3.mp4"
    assert names(tmp_path) == ["flow.tar-2.mp4", "flow.tar-3.mp4", "flow.tar.mp4"]


def test_of_many_runs_with_one_output_one_has_it_and_none_is_lost(tmp_path: Path) -> None:
    target, count = tmp_path / "out", 8
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        with suppress(OutputElsewhereError), atomic_file(target, overwrite=False) as partial:
            partial.write_text(str(number))
            barrier.wait()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(tmp_path) == ["out", *(f"out-{number}" for number in range(2, count + 1))]
    assert {path.read_text() for path in tmp_path.iterdir()} == set(map(str, range(count)))


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, other: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    target = tmp_path / "out"
    make(target)
    assert target.read_bytes() == b"made"
    target.unlink()
    assert make_in_vain(target, "something else", target.touch) == tmp_path / "out-2"
    assert (target.read_bytes(), names(tmp_path)) == (b"", ["out", "out-2"])


def test_what_cannot_have_its_name_nor_one_beside_it_keeps_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("hardlink_to", "touch"):
        monkeypatch.setattr(Path, name, refuse)
    kept = make_in_vain(tmp_path / "out.mp4", "cannot be put in place: Read-only file system")
    assert list(tmp_path.iterdir()) == [kept]


def test_an_output_is_complete_where_another_of_the_same_work_found_its_name_taken(tmp_path: Path) -> None:
    film, flow, table = tmp_path / "film.mp4", tmp_path / "flow", tmp_path / "film.json"

    def work() -> None:
        with (
            atomic_file(table, overwrite=False) as third,
            atomic_folder(flow, overwrite=False) as second,
            atomic_file(film, overwrite=False) as first,
        ):
            first.touch()
            third.touch()
            (second / "000000.flo").touch()
            film.touch()
            flow.mkdir()
            (flow / "theirs").touch()

    with pytest.raises(OutputElsewhereError, match=r"film\.mp4 was .*film-2\.mp4; .*flow was .*flow-2"):
        work()
    assert names(tmp_path) == ["film-2.mp4", "film.json", "film.mp4", "flow", "flow-2"]
    assert names(tmp_path / "flow-2") == ["000000.flo"]


@pytest.mark.parametrize("there", [False, True])
def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path, there: bool) -> None:
    (tmp_path / "disk").mkdir()
    real, link = tmp_path / "disk" / "real.mp4", tmp_path / "out.mp4"
    link.symlink_to("middle.mp4")
    (tmp_path / "middle.mp4").symlink_to("disk/real.mp4")
    if there:
        real.write_bytes(b"old")
    with atomic_file(link, overwrite=there) as partial:
        assert partial.parent == real.parent
        partial.write_bytes(b"new")
    assert (link.is_symlink(), real.read_bytes()) == (True, b"new")
    assert names(tmp_path / "disk") == ["real.mp4"]


@pytest.mark.parametrize("mode", [0o640, 0o444, 0o777])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "out"
    target.touch()
    target.chmod(mode)
    make(target, overwrite=True)
    assert target.read_bytes() == b"made"
    assert stat.S_IMODE(target.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_that_root_replaces_stays_its_owner_s(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.touch()
    os.chown(target, 1234, 5678)
    make(target, overwrite=True)
    assert (target.stat().st_uid, target.stat().st_gid) == (1234, 5678)


@pytest.mark.parametrize("name", ["b" * 251 + ".mp4", "ü" * 125 + "x.mp4", "a." + "b" * 253, "." + "c" * 254])
def test_where_a_name_fits_so_does_all_that_it_takes(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    assert len(os.fsencode(name)) == 255
    make(target)
    make(target, overwrite=True)
    assert names(tmp_path) == [name]
    target.unlink()
    kept = make_in_vain(target, "something else", target.touch)
    assert kept.name.encode("utf-8", "strict").endswith(b"-2.mp4" if name.endswith(".mp4") else b"-2")


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        with atomic_file(pipe, overwrite=False) as partial:
            partial.write_bytes(b"made")
            assert partial.suffix == ".mp4"
            assert names(tmp_path) == ["pipe.mp4"], "nothing is made beside it"
        assert reader.communicate()[0] == b"made"
    assert pipe.is_fifo()
    assert not partial.exists()


def test_a_failed_block_writes_nothing_to_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Nobody reads: opening it would wait.
    with pytest.raises(ValueError, match="no"), atomic_file(pipe, overwrite=False) as partial:
        write_half(partial, ValueError("no"))
    assert pipe.is_fifo()


def test_a_device_stays_what_it_is(tmp_path: Path) -> None:
    link = tmp_path / "out"
    link.symlink_to("/dev/null")
    make(link)
    assert link.is_symlink()
    assert Path("/dev/null").is_char_device()
    with pytest.raises(InputError, match="/dev/full cannot be written: No space left on device"):
        make(Path("/dev/full"))


WRITER = """
import sys
from pathlib import Path
from dinoflow_deploy.atomic import atomic_file
print("before", flush=True)
with atomic_file(Path(sys.argv[1]), overwrite=False) as partial:
    partial.write_text("made\\n")
print("after")
"""


@pytest.mark.parametrize("path", ["/dev/stdout", "/proc/self/fd/1", "link"])
@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_standard_output_is_gone_on_with_wherever_it_leads(tmp_path: Path, path: str, kind: str) -> None:
    if path == "link":
        (tmp_path / "link").symlink_to("/dev/fd/1")
        path = str(tmp_path / "link")
    target = tmp_path / "printed"
    with target.open("wb") if kind == "file" else nullcontext(subprocess.PIPE) as stdout:
        done = subprocess.run([sys.executable, "-c", WRITER, path], stdout=stdout, check=True)
    printed = target.read_bytes() if kind == "file" else done.stdout
    assert printed == b"before\nmade\nafter\n"
    assert set(names(tmp_path)) <= {"link", "printed"}
