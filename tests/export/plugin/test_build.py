"""Building and caching with a stand-in for nvcc."""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import pytest

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.errors import ExportError, InputError
from dinoflow_deploy.export.plugin.build import build_library
from dinoflow_deploy.export.plugin.library import Library, cached_libraries, find_library
from dinoflow_deploy.export.plugin.nvcc import find_nvcc
from dinoflow_deploy.export.plugin.plugin_choice import choose_plugin
from dinoflow_deploy.tensorrt.flavours import RTX, TENSORRT
from tests.export.plugin.conftest import StandIn

pytestmark = pytest.mark.slow


def build(version: str = "11.4.0") -> Library:
    return build_library(TENSORRT, version)


def test_a_library_is_built_once_and_found(stand_in: StandIn) -> None:
    assert find_library(TENSORRT, "11.4.0") is None
    first, second = build(), build()
    assert first == second == find_library(TENSORRT, "11.4.0")
    assert len(stand_in.calls) == 1
    assert first.path.read_text() == "library\n"
    assert json.loads((first.path.parent / "build.json").read_text())["tensorrt"] == "11.4.0"
    assert find_library(TENSORRT, "11.4.1") is None
    assert find_library(RTX, "11.4.0") is None


def test_the_library_that_was_built_last_is_found(stand_in: StandIn) -> None:
    one, other = build(), build_library(TENSORRT, "11.4.0", architectures=[90])
    for older, newer in ((one, other), (other, one)):
        os.utime(older.path, (1, 1))
        os.utime(newer.path, (2, 2))
        assert find_library(TENSORRT, "11.4.0") == newer


def test_every_part_of_the_key_makes_another_library(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {build().path, build("11.3.0").path, build_library(TENSORRT, "11.4.0", architectures=[90]).path}
    stand_in.set_headers("11.2.0")
    paths.add(build().path)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert cached_libraries() == []
    paths.add(build().path)
    monkeypatch.setattr("dinoflow_deploy.export.plugin.build.digest_of", lambda files: "other sources")
    paths.add(build().path)
    assert len(paths) == len(stand_in.calls) == 6


def test_code_for_each_architecture_and_ptx_of_the_last(stand_in: StandIn) -> None:
    build_library(TENSORRT, "11.4.0", architectures=[90, 75])
    (call,) = stand_in.calls
    assert "-gencode=arch=compute_75,code=sm_75 -gencode=arch=compute_90,code=[sm_90,compute_90]" in call
    assert f"-isystem {stand_in.root}/include" in call


def test_a_cache_that_cannot_be_written_is_named_and_auto_goes_on(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ExportError, match=r"cache cannot be written: .*file.*Set XDG_CACHE_HOME"):
        build()
    trt = SimpleNamespace(__version__="11.4.0", NetworkDefinitionCreationFlag=SimpleNamespace())
    plugin = choose_plugin("auto", trt, TENSORRT, InputRange.unlimited(), ["9.0"])
    assert (plugin.name, "cpp: the plugin's cache cannot be written;" in plugin.reason) == ("none", True)


def test_an_nvcc_that_makes_nothing_is_named(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinoflow_deploy.export.plugin.nvcc.run_compiler", lambda command: None)
    with pytest.raises(ExportError, match="nvcc made no library and no complaint: set CUDACXX"):
        build()
    assert [path.suffix for path in stand_in.cache.iterdir()] == [".lock"]


def test_a_failed_build_leaves_nothing_and_says_why(stand_in: StandIn) -> None:
    stand_in.fail()
    with pytest.raises(ExportError, match="exit code 2: error: no such thing"):
        build()
    assert [path.suffix for path in stand_in.cache.iterdir()] == [".lock"]


@pytest.mark.parametrize("damage", ["library", "record"])
def test_a_damaged_library_is_built_again(stand_in: StandIn, damage: str) -> None:
    path = build().path
    damaged = path if damage == "library" else path.with_name("build.json")
    damaged.write_text("{")
    assert find_library(TENSORRT, "11.4.0") is None
    assert build().path.read_text() == "library\n"
    assert len(stand_in.calls) == 2


def test_what_is_being_written_is_not_found(stand_in: StandIn) -> None:
    folder = build().path.parent
    folder.rename(folder.with_name(f".{folder.name}.1.partial"))
    assert find_library(TENSORRT, "11.4.0") is None


def test_two_processes_build_once(stand_in: StandIn) -> None:
    with ProcessPoolExecutor(2, get_context("fork")) as pool:
        first, second = pool.map(build, ["11.4.0"] * 2)
    assert first == second
    assert len(stand_in.calls) == 1


@pytest.mark.parametrize("architectures", [[], [60, 90]])
def test_architectures_that_nvcc_does_not_know_are_refused(
    stand_in: StandIn, architectures: list[int]
) -> None:
    with pytest.raises(InputError, match="from 75"):
        build_library(TENSORRT, "11.4.0", architectures=architectures)
    assert stand_in.calls == []


def test_missing_tools_are_named(stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(ExportError, match=r"g\+\+.*apt install"):
        build()
    monkeypatch.setenv("CUDACXX", str(tmp_path / "no-nvcc"))
    with pytest.raises(ExportError, match=r"no-nvcc cannot be run.*CUDACXX"):
        build()
    monkeypatch.delenv("CUDACXX")
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    monkeypatch.setattr(Path, "is_file", lambda path: False)
    with pytest.raises(ExportError, match=r"cuda/bin/nvcc.*pip install nvidia-cuda-nvcc==13\.0"):
        find_nvcc()


def test_relative_cache_home_is_ignored(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert build().path.is_relative_to(tmp_path / "home" / ".cache" / "dinoflow-deploy" / "plugins")
