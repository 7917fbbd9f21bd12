import errno
import os
from pathlib import Path

import pytest

from dinoflow_deploy.bench.results import failure_reason
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.inspection import inspect_artifact
from dinoflow_deploy.train.model import load_model
from dinoflow_deploy.train.recipe import load_recipe


@pytest.fixture
def forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of weights that this user may not read; to root, who may, the system says so here too."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"x" * 64)
    path.chmod(0)

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "open", refuse)
    return path


@pytest.mark.parametrize("read", [inspect_artifact, load_model])
def test_weights_that_may_not_be_read_are_not_said_to_be_missing(read, forbidden: Path) -> None:
    with pytest.raises(FileFormatError, match=r"model\.safetensors: Permission denied: choose another file"):
        read(forbidden)


def test_a_recipe_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"^recipe absent\.toml: No such file or directory: check the name$"):
        load_recipe("absent.toml")


def test_a_benchmark_says_the_same_of_an_engine_that_fails() -> None:
    error = PermissionError(errno.EACCES, "Permission denied", "a.onnx")
    assert failure_reason(error).startswith("a.onnx: Permission denied: choose another file")
    assert failure_reason(ZeroDivisionError("no")) == "unexpected ZeroDivisionError: no"
