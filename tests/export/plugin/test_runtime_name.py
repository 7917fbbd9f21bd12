"""The name by which a parser opens its library, on a library of a few bytes."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.plugin import runtime_name
from dinoflow_deploy.export.plugin.runtime_name import provide_runtime_name, write_alias
from dinoflow_deploy.tensorrt.flavours import RTX, TENSORRT, Flavour

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a library that is loaded by the name with a version after it, as both flavours'."""
    name = f"lib{tmp_path.name}.so"
    versioned, source = tmp_path / f"{name}.3", tmp_path / "answer.cpp"
    source.write_text('extern "C" int answer() { return 42; }')
    command = ["g++", "-shared", f"-Wl,-soname,{versioned.name}", "-o", versioned, source]
    subprocess.run(command, check=True)
    ctypes.CDLL(str(versioned))
    monkeypatch.setattr(runtime_name, "RUNTIME_NAMES", {"tensorrt": name, "rtx": name})
    return name


@pytest.mark.parametrize("flavour", [TENSORRT, RTX])
def test_the_name_is_opened_and_leads_to_the_loaded_library(
    flavour: Flavour, name: str, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match=name):
        ctypes.CDLL(name)
    write_alias(flavour, tmp_path)
    provide_runtime_name(flavour, tmp_path)
    assert ctypes.CDLL(name).answer() == 42


def test_another_library_of_that_name_is_not_loaded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_alias(TENSORRT, tmp_path)
    monkeypatch.setattr(runtime_name, "_opens", lambda _: pytest.fail("opened the system's"))
    provide_runtime_name(TENSORRT, tmp_path)


def test_without_it_the_parser_of_rtx_is_not_started(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provide_runtime_name(TENSORRT, tmp_path)
    with pytest.raises(
        ExportError, match=f"opens {name} for a plugin, and it is not there: .*LD_LIBRARY_PATH"
    ):
        provide_runtime_name(RTX, tmp_path)
    monkeypatch.setattr(runtime_name, "_opens", lambda _: True)
    provide_runtime_name(RTX, tmp_path)
