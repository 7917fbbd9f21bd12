import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dinoflow_deploy.system.optional import is_installed
from tests.tensorrt_api.api import Api
from tests.tensorrt_api.stubs import compile_stubs

ROOT = Path(__file__).parents[2]
VERSIONS = ("10.16.1.11", "11.4.0.106")
_UNREACHABLE = re.compile(r"from versions: none|connection|Max retries", re.IGNORECASE)


@pytest.fixture(scope="session")
def apis(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Api]:
    """The real bindings of both versions of TensorRT, imported on empty libraries. Needs a package index."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler, which the libraries need that stand in for TensorRT's")
    found = {}
    for version in VERSIONS:
        folder = tmp_path_factory.mktemp(f"tensorrt-{version}")
        install(f"tensorrt_cu13_bindings=={version}", folder)
        compile_stubs(compiler, folder, int(version.partition(".")[0]))
        found[version] = dump("tensorrt_bindings", folder)
    return found


@pytest.fixture(scope="session")
def rtx(tmp_path_factory: pytest.TempPathFactory) -> Api:
    """The real TensorRT-RTX."""
    if not is_installed("tensorrt_rtx_bindings"):
        pytest.skip("TensorRT-RTX is not installed")
    return dump("tensorrt_rtx_bindings", tmp_path_factory.mktemp("tensorrt-rtx"))


def install(requirement: str, folder: Path) -> None:
    options = ["--no-deps", "--only-binary", ":all:", "--retries", "1", "--timeout", "20", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *options, "--disable-pip-version-check"]
    done = subprocess.run([*command, "--target", folder, requirement], capture_output=True, text=True)
    if done.returncode and _UNREACHABLE.search(done.stderr):
        pytest.skip(f"pip cannot get {requirement} here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


def dump(module: str, folder: Path) -> Api:
    """Import a module in a process of its own, with a folder before all others for modules and libraries."""
    path = folder / "api.json"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, (folder, ROOT))),
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("LD_LIBRARY_PATH")))),
    }
    script = Path(__file__).parent / "dump_api.py"
    command = [sys.executable, script, module, path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Api.read(path)
