from pathlib import Path

import pytest

from dinoflow_deploy.atomic import GrowingFile
from dinoflow_deploy.errors import InputError


def test_lines_are_there_when_added_and_stay(tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    with GrowingFile(path) as file:
        assert file.lines == []
        file.add("one")
        assert path.read_text() == "one\n"
        file.add("zwei ä")
    with GrowingFile(path) as file:
        assert file.lines == ["one", "zwei ä"]


@pytest.mark.parametrize("torn", [b"thr", b"thr\xc3", b""])
def test_what_was_killed_within_a_line_leaves_those_before(tmp_path, torn: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntwo\n" + torn)
    with GrowingFile(path) as file:
        assert file.lines == ["one", "two"]
        file.add("three")
    assert path.read_text() == "one\ntwo\nthree\n"


def test_all_lines_are_replaced_at_once_and_more_may_follow(tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    with GrowingFile(path) as file:
        file.add("one")
        file.rewrite(["two", "one"])
        file.add("three")
    assert path.read_text() == "two\none\nthree\n"
    assert [each.name for each in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_full_disk_is_said_and_leaves_no_half_line(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.jsonl"
    with GrowingFile(path) as file:
        file.add("one")

        class Full:
            """The file on a disk that takes three bytes more."""

            def __init__(self, inner) -> None:
                self.inner = inner

            def write(self, data: bytes) -> int:
                with Path("/dev/full").open("wb", buffering=0) as full:
                    return self.inner.write(data[:3]) if len(data) > 5 else full.write(data)

            def __getattr__(self, name: str):
                return getattr(self.inner, name)

        inner = file._file
        monkeypatch.setattr(file, "_file", Full(inner))
        with pytest.raises(InputError, match=r"a.jsonl cannot be written: No space left on device"):
            file.add("two and more")
        monkeypatch.setattr(file, "_file", inner)
        file.add("three")
    assert path.read_text() == "one\nthree\n"
