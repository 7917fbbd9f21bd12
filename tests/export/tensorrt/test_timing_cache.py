"""The shared file of kernel timings, on the model, whose caches hold something; TensorRT-RTX's are empty."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.from_bundle import build_from_bundle
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.export.tensorrt.settings import start_builder
from dinoflow_deploy.export.tensorrt.timing_cache import save_timing_cache, use_timing_cache
from dinoflow_deploy.export.tensorrt.toolchain import Toolchain, find_toolchain
from dinoflow_deploy.progress import Progress
from dinoflow_deploy.tensorrt.flavours import TENSORRT
from dinoflow_deploy.tensorrt.log import log_of
from tests.export.plugin.conftest import StandIn
from tests.export.tensorrt.conftest import GH200, Recorder
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "timings"


def build(cache: Path, bundle: Path, plugin: str = "none", progress: Progress | None = None):
    options = PlanOptions(plugin=plugin, timing_cache=cache, verify=False)
    return build_from_bundle(bundle, cache.parent / "out", options, progress, overwrite=True).artefacts[-1]


def entries(cache: Path) -> set[str]:
    return set(json.loads(cache.read_text())["entries"])


def test_builds_add_to_the_file(tensorrt: TensorRT, cache: Path, nano_bundle: Path) -> None:
    build(cache, nano_bundle)
    assert entries(cache) == {"kernel-0"}
    tensorrt.state.kernel = "kernel-1"
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
    tensorrt: TensorRT,
    cache: Path,
    nano_bundle: Path,
    stand_in: StandIn,
) -> None:
    if isinstance(content, dict):
        content = json.dumps({"version": tensorrt.__version__} | content)
    cache.write_text(content)
    with pytest.raises(InputError, match=rf"the timing cache .*timings is not of TensorRT .*{message}"):
        build(cache, nano_bundle, plugin="cpp")
    assert cache.read_text() == content
    # Before anything that takes its time.
    assert stand_in.calls == []
    assert not (cache.parent / "out").exists()


def test_a_path_that_cannot_be_written_is_refused(
    tensorrt: TensorRT, tmp_path: Path, nano_bundle: Path
) -> None:
    with pytest.raises(InputError, match="is a folder"):
        build(tmp_path, nano_bundle)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is no regular file"):
        build(tmp_path / "pipe", nano_bundle)
    with pytest.raises(InputError, match="lies in no folder: create"):
        build(tmp_path / "no" / "such", nano_bundle)


def test_that_it_was_not_written_is_said(tensorrt: TensorRT, cache: Path, nano_bundle: Path) -> None:
    theirs = json.dumps({"version": "12.0", "gpu": tensorrt.state.gpu, "entries": {"theirs": 1}})

    class Meanwhile(Recorder):
        """Another TensorRT writes the file while this one builds."""

        def advance(self, amount: float = 1.0, **figures: float) -> None:
            if not self.amounts:
                cache.write_text(theirs)
            super().advance(amount)

    (warning,) = build(cache, nano_bundle, progress=Meanwhile()).warnings
    assert f"the timing cache {cache} was left as it is" in warning
    assert "the timing cache is of 12.0" in warning
    assert cache.read_text() == theirs


@pytest.mark.parametrize("change", ["another version", "longer"])
def test_what_changed_during_the_build_is_not_written_over(
    change: str, tensorrt: TensorRT, cache: Path
) -> None:
    target, log = find_toolchain(PlanOptions()), log_of(tensorrt)
    _, config = start_builder(target, log)
    use_timing_cache(cache, config, target, log)
    if change == "another version":
        content = json.dumps({"version": "12.0", "gpu": tensorrt.state.gpu, "entries": {"theirs": 1}})
    else:
        content = json.dumps({"version": tensorrt.__version__, "gpu": "", "entries": {}, "more": "x" * 999})
    cache.write_text(content)
    warning = save_timing_cache(cache, config, target, log)
    assert warning is not None
    assert f"the timing cache {cache} was left as it is" in warning
    assert cache.read_text() == content


def hold_back(cache: Path, kernel: str, ready, go) -> None:
    """In a process of its own: start a build, and finish it when told."""
    tensorrt = TensorRT(Machine())
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
    processes = [context.Process(target=hold_back, args=(cache, kernel, ready, go)) for kernel in ("a", "b")]
    for process in processes:
        process.start()
    # Both have read the file, which is not there, before either writes.
    assert all(ready.acquire(timeout=60) for _ in processes)
    go.set()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert entries(cache) == {f"{kernel}-{number}" for kernel in "ab" for number in range(20)}
