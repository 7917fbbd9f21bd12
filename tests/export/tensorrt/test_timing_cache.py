"""The shared file of kernel timings, on a stand-in whose caches hold something; TensorRT-RTX's are empty."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.from_bundle import build_from_bundle
from dinoflow_deploy.export.tensorrt import build as build_module
from dinoflow_deploy.export.tensorrt import preparation
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.export.tensorrt.settings import start_builder
from dinoflow_deploy.export.tensorrt.timing_cache import save_timing_cache, use_timing_cache
from dinoflow_deploy.export.tensorrt.toolchain import Toolchain, find_toolchain
from dinoflow_deploy.tensorrt.flavours import TENSORRT
from dinoflow_deploy.tensorrt.log import log_of
from tests.export.tensorrt.conftest import GH200
from tests.export.tensorrt.fake import FakeTensorRT


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "timings"


def build(cache: Path, bundle: Path, name: str = "out"):
    options = PlanOptions(plugin="none", timing_cache=cache, verify=False)
    return build_from_bundle(bundle, cache.parent / name, options, overwrite=True).artefacts[-1]


def entries(cache: Path) -> set[str]:
    return set(json.loads(cache.read_text())["entries"])


def test_builds_add_to_the_file(tensorrt: FakeTensorRT, cache: Path, nano_bundle: Path) -> None:
    build(cache, nano_bundle)
    assert entries(cache) == {"kernel-0"}
    tensorrt.kernel = "kernel-1"
    report = build(cache, nano_bundle)
    assert entries(cache) == {"kernel-0", "kernel-1"}
    assert report.warnings == ()
    assert {path.name for path in cache.parent.iterdir()} == {"timings", "timings.lock", "out"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"version": "10.9.0", "gpu": "NVIDIA GH200 480GB", "entries": {"old": 1}}, "is of 10.9.0"),
        ({"gpu": "NVIDIA H100", "entries": {"other": 1}}, "not taken"),
        ("not JSON", "is damaged"),
    ],
)
def test_a_file_that_does_not_fit_stops_the_build_and_stays(
    content: dict | str,
    message: str,
    tensorrt: FakeTensorRT,
    cache: Path,
    nano_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Before anything that takes its time.
    monkeypatch.setattr(preparation, "choose_plugin", lambda *_: pytest.fail("compiled"))
    if isinstance(content, dict):
        content = json.dumps({"version": tensorrt.__version__} | content)
    cache.write_text(content)
    with pytest.raises(InputError, match=rf"the timing cache .*timings is not of TensorRT .*{message}"):
        build(cache, nano_bundle)
    assert cache.read_text() == content
    assert not (cache.parent / "out").exists()


def test_a_path_that_cannot_be_written_is_refused(
    tensorrt: FakeTensorRT, tmp_path: Path, nano_bundle: Path
) -> None:
    with pytest.raises(InputError, match="is a folder"):
        build(tmp_path, nano_bundle)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is no regular file"):
        build(tmp_path / "pipe", nano_bundle)
    with pytest.raises(InputError, match="lies in no folder: create"):
        build(tmp_path / "no" / "such", nano_bundle)


def test_that_it_was_not_written_is_said(
    tensorrt: FakeTensorRT, cache: Path, nano_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "save_timing_cache", lambda *_: "it was left as it is")
    assert build(cache, nano_bundle).warnings == ("it was left as it is",)


@pytest.mark.parametrize("change", ["another version", "longer"])
def test_what_changed_during_the_build_is_not_written_over(
    change: str, tensorrt: FakeTensorRT, cache: Path
) -> None:
    target, log = find_toolchain(PlanOptions()), log_of(tensorrt)
    _, config = start_builder(target, log)
    use_timing_cache(cache, config, target, log)
    if change == "another version":
        content = json.dumps({"version": "12.0", "gpu": tensorrt.gpu, "entries": {"theirs": 1}})
    else:
        content = json.dumps({"version": tensorrt.__version__, "gpu": "", "entries": {}, "more": "x" * 999})
    cache.write_text(content)
    warning = save_timing_cache(cache, config, target, log)
    assert warning is not None
    assert f"the timing cache {cache} was left as it is" in warning
    assert cache.read_text() == content


def hold_back(version: str, cache: Path, kernel: str, ready, go) -> None:
    """In a process of its own: start a build, and finish it when told."""
    tensorrt = FakeTensorRT(version)
    target, log = Toolchain(TENSORRT, tensorrt, GH200, ("9.0",)), log_of(tensorrt)
    _, config = start_builder(target, log)
    use_timing_cache(cache, config, target, log)
    ready.release()
    assert go.wait(60)
    for number in range(20):
        config.get_timing_cache()._entries[f"{kernel}-{number}"] = 0.25
        assert save_timing_cache(cache, config, target, log) is None


def test_builds_that_run_at_once_lose_none_of_each_other_s(cache: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready, go = context.Semaphore(0), context.Event()
    processes = [
        context.Process(target=hold_back, args=("11.4", cache, kernel, ready, go)) for kernel in ("a", "b")
    ]
    for process in processes:
        process.start()
    # Both have read the file, which is not there, before either writes.
    assert all(ready.acquire(timeout=60) for _ in processes)
    go.set()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert entries(cache) == {f"{kernel}-{number}" for kernel in "ab" for number in range(20)}
