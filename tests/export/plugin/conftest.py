"""Toolchains for the tests: stand-ins that any machine has, and the real ones where they are."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.plugin.headers import find_headers
from dinoflow_deploy.export.plugin.nvcc import Nvcc, nvcc_version, wheel_nvcc
from dinoflow_deploy.tensorrt.flavours import RTX

_NVCC_SCRIPT = """#!/bin/sh
if [ "$1" = --version ]; then echo "Cuda compilation tools, release 13.0, V13.0.88"; exit 0; fi
echo "$@" >> "{log}"
while [ "$1" != -o ]; do shift; done
sleep 0.2
echo library > "$2"
if [ -e "{log}.fail" ]; then echo "error: no such thing" >&2; exit 2; fi
"""


@dataclass(frozen=True)
class StandIn:
    """An nvcc that writes a file and notes how it was called, three lines of headers, an empty cache."""

    log: Path
    root: Path
    cache: Path

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def fail(self) -> None:
        self.log.with_name(f"{self.log.name}.fail").touch()

    def set_headers(self, version: str) -> None:
        self.root.joinpath("include").mkdir(parents=True, exist_ok=True)
        lines = zip(("MAJOR", "MINOR", "PATCH"), version.split("."), strict=True)
        text = "".join(f"#define NV_TENSORRT_{part} {number}\n" for part, number in lines)
        (self.root / "include" / "NvInferVersion.h").write_text(text)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    log, nvcc = tmp_path / "calls", tmp_path / "nvcc"
    nvcc.write_text(_NVCC_SCRIPT.format(log=log))
    nvcc.chmod(0o755)
    (tmp_path / "g++").symlink_to("/bin/true")
    monkeypatch.setenv("CUDACXX", str(nvcc))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("TENSORRT_ROOT", str(tmp_path / "tensorrt"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = StandIn(log, tmp_path / "tensorrt", tmp_path / "cache" / "dinoflow-deploy" / "plugins")
    made.set_headers("11.1.0")
    return made


@pytest.fixture(scope="session")
def real_nvcc() -> Nvcc:
    """The one that the extra dev brings."""
    path = wheel_nvcc()
    if path is None:
        pytest.skip("nvidia-cuda-nvcc is not installed")
    return Nvcc(path, nvcc_version(path))


@pytest.fixture(scope="session")
def real_headers() -> Path:
    """Folder of TensorRT 11's headers, which no package of the extra dev brings."""
    try:
        return find_headers(RTX, "1.7").folder
    except ExportError as error:
        pytest.skip(str(error))
