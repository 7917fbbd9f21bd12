"""When "auto" runs a bundle's package: for a GPU that is here, never on the CPU."""

from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from dinoflow_deploy import load_engine
from dinoflow_deploy.engines.inductor import choice, mismatch
from dinoflow_deploy.engines.inductor.choice import fits_here
from dinoflow_deploy.engines.inductor.package_info import PackageInfo
from dinoflow_deploy.engines.loading import choose
from dinoflow_deploy.system.gpus import Gpu
from tests.engines.inductor.conftest import WritePackage
from tests.engines.inductor.infos import ON_CPU, ON_GPU

H200 = Gpu("NVIDIA H200", None, "9.0", "580.159")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with an H200, whose torch is 2.13."""
    monkeypatch.setattr(choice, "list_gpus", lambda: ((H200,), None))
    monkeypatch.setattr(metadata, "version", lambda name: "2.13.0")
    monkeypatch.setattr(mismatch, "extensions", lambda: ("avx2", "avx512f", "fma"))
    return monkeypatch


@pytest.mark.parametrize(
    ("info", "device", "fits"),
    [
        (ON_GPU, "auto", True),
        (ON_GPU, "cuda", True),
        (ON_GPU, "cuda:1", True),
        (ON_GPU, "cpu", False),
        (ON_CPU, "auto", False),
        (ON_CPU, "cpu", False),
        (replace(ON_GPU, torch="2.12.0+cu130"), "auto", False),
        (replace(ON_GPU, compute_capability="8.9"), "auto", False),
        (replace(ON_GPU, extensions=("avx2", "amx_tile")), "auto", False),
    ],
)
def test_a_package_that_fits_is_taken(
    info: PackageInfo, device: str, fits: bool, write_package: WritePackage
) -> None:
    folder = write_package(info)
    assert fits_here(folder, device) is fits
    taken = choose(folder, "auto", device)[0].name
    assert (taken == "inductor") is fits


def test_a_plan_is_preferred(write_package: WritePackage, machine: pytest.MonkeyPatch) -> None:
    folder = write_package(ON_GPU, plan=True)
    assert choose(folder, "auto", "auto")[0].name == "inductor", "there is no TensorRT here"
    machine.setattr("dinoflow_deploy.engines.tensorrt.choice.can_run_here", lambda source, device: True)
    assert choose(folder, "auto", "auto")[0].name == "tensorrt"


@pytest.mark.parametrize("lacking", ["torch", "gpu", "driver"])
def test_without_what_it_needs_it_is_not_taken(
    lacking: str, write_package: WritePackage, machine: pytest.MonkeyPatch
) -> None:
    if lacking == "torch":
        machine.setattr(metadata, "version", _not_installed)
    else:
        problem = "NVML: Driver/library version mismatch" if lacking == "driver" else None
        machine.setattr(choice, "list_gpus", lambda: ((), problem))
    assert not fits_here(write_package(ON_GPU), "auto")


def _not_installed(name: str) -> str:
    raise metadata.PackageNotFoundError(name)


def test_what_is_no_bundle_has_no_package(tmp_path: Path) -> None:
    assert not fits_here(tmp_path / "model.onnx", "auto")
    assert not fits_here("opencv-dis", "auto")


@pytest.mark.slow
def test_on_the_cpu_a_bundle_with_a_package_runs_as_one_without(compiled_bundle: Path) -> None:
    with load_engine(compiled_bundle, device="cpu") as engine:
        assert engine.describe().backend == "openvino"
