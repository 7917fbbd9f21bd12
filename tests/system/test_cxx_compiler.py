import os
from pathlib import Path

import pytest

from dinoflow_deploy.system.cxx_compiler import compiler_problem


def test_the_compiler_of_this_machine_compiles() -> None:
    assert compiler_problem() is None


def test_none_is_said_with_what_installs_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compiler_problem() == (
        "the C++ compiler g++ was not found: install it (apt install g++), or name one by CXX"
    )
    monkeypatch.setenv("CXX", "clang++-99")
    assert "the C++ compiler clang++-99 was not found" in str(compiler_problem())


def test_one_that_fails_is_told_by_its_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "old-g++"
    old.write_text(
        "#!/bin/sh\necho 'In a file:' >&2\necho 'fatal error: concepts: No such file' >&2\nexit 1\n"
    )
    old.chmod(0o755)
    monkeypatch.setenv("CXX", os.fspath(old))
    assert f"{old} fails (fatal error: concepts: No such file): install g++ 10 or newer" in str(
        compiler_problem()
    )
