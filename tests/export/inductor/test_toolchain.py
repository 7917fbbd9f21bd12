import subprocess
from pathlib import Path

import pytest
import torch

from dinoflow_deploy.errors import DeviceError, ExportError, MissingPackageError
from dinoflow_deploy.export.inductor import toolchain
from dinoflow_deploy.export.inductor.toolchain import find_toolchain
from dinoflow_deploy.export.plugin.nvcc import wheel_nvcc
from dinoflow_deploy.system import optional
from dinoflow_deploy.system.processor import extensions, processor_name


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An H200 for torch, and an empty CUDA toolkit."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    monkeypatch.setattr(toolchain, "is_installed", lambda module: True)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    return tmp_path


HEADERS = ("cuda.h", "cuda_runtime.h", "crt/host_defines.h", "nv/target")


def write_headers(home: Path, *names: str) -> None:
    for name in names:
        header = home / "include" / name
        header.parent.mkdir(parents=True, exist_ok=True)
        header.touch()


def test_the_cpu_of_this_machine() -> None:
    found = find_toolchain("cpu")
    machine = found.machine
    assert (machine.torch, machine.device, machine.compute_capability) == (torch.__version__, "cpu", None)
    assert (machine.processor, machine.extensions) == (processor_name(), extensions())
    assert (found.gpu, found.environment) == (None, {})


def test_a_gpu_is_preferred_and_may_be_left(gpu: Path) -> None:
    write_headers(gpu, *HEADERS)
    for device in ("auto", "cuda"):
        found = find_toolchain(device)
        assert (found.machine.device, found.machine.compute_capability) == ("cuda", "9.0")
        assert (found.title, found.environment) == ("NVIDIA H200", {"CUDA_HOME": str(gpu)})
    assert find_toolchain("cpu").machine.device == "cpu"


@pytest.mark.parametrize("missing", HEADERS)
def test_without_cuda_s_headers_it_is_refused(missing: str, gpu: Path) -> None:
    write_headers(gpu, *{*HEADERS} - {missing})
    with pytest.raises(ExportError, match=f"include/{missing} is missing: install the CUDA toolkit"):
        find_toolchain("cuda")


def test_headers_of_pip_s_wheels_do(gpu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvcc = wheel_nvcc()
    if nvcc is None:
        pytest.skip("CUDA's compiler is not installed by pip")
    monkeypatch.delenv("CUDA_HOME")
    monkeypatch.setenv("CUDACXX", str(nvcc))
    home = find_toolchain("cuda").cuda_home
    assert home == nvcc.resolve().parents[1]
    from torch.utils.cpp_extension import include_paths

    # What every package for CUDA includes, whether torch is a build for CUDA or not.
    packaged = "#define USE_CUDA\n#include <torch/csrc/inductor/aoti_runtime/utils_cuda.h>\n"
    folders = [*include_paths(), str(home / "include")]
    words = ["g++", "-std=c++20", "-fsyntax-only", "-x", "c++", "-", *(f"-I{folder}" for folder in folders)]
    done = subprocess.run(words, input=packaged, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_without_a_gpu_one_that_was_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        DeviceError, match=r"torch .* finds none: use --device cpu, or compile on such a machine"
    ):
        find_toolchain("cuda")
    assert find_toolchain("auto").machine.device == "cpu"


def test_what_is_missing_is_named(gpu: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(toolchain, "is_installed", lambda module: module != "triton")
    with pytest.raises(MissingPackageError, match="needs the package 'triton'"):
        find_toolchain("cuda")
    monkeypatch.setenv("CXX", "no-such-compiler")
    for device in ("cuda", "cpu"):
        with pytest.raises(ExportError, match="no-such-compiler was not found: install it"):
            find_toolchain(device)
    monkeypatch.setattr(torch, "__version__", "2.10.0+cpu")
    with pytest.raises(
        ExportError, match=r"torch 2\.10\.0\+cpu is too old to compile packages, 2\.11 is due: pip"
    ):
        find_toolchain("cpu")
    monkeypatch.setattr(optional, "is_installed", lambda module: False)
    with pytest.raises(MissingPackageError, match="compiling a package needs the package 'torch'"):
        find_toolchain("cpu")
