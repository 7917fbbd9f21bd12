"""A real Triton Inference Server on this machine's CPU, from the wheel of nvidia-pytriton.

That holds Triton 2.51 with its Python backend alone, under Debian's own Python 3.11. The front, its
calls of the network inside the server, and the protocol are real; the network is run by ONNX Runtime in the
Python backend, in place of Triton's own backend for it.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

from dinoflow_deploy.system.locks import file_lock
from dinoflow_deploy.system.user_folders import user_cache

PYTHON = Path("/usr/bin/python3.11")
# ONNX Runtime as here, so that the numbers can be the same to the last bit.
PACKAGES = ("nvidia-pytriton==0.7.0", "numpy==1.26.4", f"onnxruntime=={version('onnxruntime')}")
NETWORK = Path(__file__).parent / "network_on_onnxruntime.py"
_UNREACHABLE = re.compile(r"from versions: none|connection|Max retries", re.IGNORECASE)


def environment() -> Path:
    """The virtual environment that holds Triton, made once for each user."""
    if not PYTHON.exists():
        pytest.skip(f"there is no {PYTHON}, the one Python under which this Triton runs")
    folder = user_cache("tests") / "-".join(re.sub(r"\W+", "-", each) for each in PACKAGES)
    with file_lock(folder.with_name(f"{folder.name}.lock")):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([PYTHON, "-m", "venv", "--without-pip", folder], check=True)
            _install(folder)
            (folder / "complete").touch()
    return folder


def _packages(environment: Path) -> Path:
    return environment / "lib/python3.11/site-packages"


def _install(environment: Path) -> None:
    options = ["--no-deps", "--only-binary", ":all:", "--python-version", "3.11", "--no-compile"]
    options += ["--retries", "1", "--timeout", "20", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", _packages(environment)]
    done = subprocess.run([*command, *PACKAGES], capture_output=True, text=True)
    if done.returncode and _UNREACHABLE.search(done.stderr):
        pytest.skip(f"pip cannot get {PACKAGES[0]} here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    triton = _packages(environment) / "pytriton/tritonserver"
    stub = triton / "python_backend_stubs/3.11/triton_python_backend_stub"
    shutil.copy(stub, triton / "backends/python")


def run_networks_in_python(repository: Path) -> None:
    """Have the Python backend run a repository's networks, where the server has none for ONNX files.

    Of the fronts' processes two are enough here, and start in half the time.
    """
    for config in repository.glob("*/config.pbtxt"):
        config.write_text(config.read_text().replace("count: 4", "count: 2"))
    for folder in repository.glob("*_network"):
        _run_in_python(folder)


def _run_in_python(folder: Path) -> None:
    config = folder / "config.pbtxt"
    text = config.read_text().replace('platform: "onnxruntime_onnx"', 'backend: "python"')
    config.write_text(re.sub("default_model_filename.*", "", text).replace("KIND_AUTO", "KIND_CPU"))
    for path in folder.iterdir():
        if path.name.isdecimal():
            shutil.copy(NETWORK, path / "model.py")


class RealServer:
    """A server process.

    Args:
        repository: What it serves.
        log: Where its messages go.
    """

    def __init__(self, repository: Path, log: Path) -> None:
        self._environment, self._repository, self._log = environment(), repository, log
        self.port = _free_port()
        self.url = f"grpc://127.0.0.1:{self.port}"
        self._start()

    def kill(self) -> None:
        """End it as a crash would, and what it started with it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        """Start it again, on the same port."""
        self._start()

    def _start(self) -> None:
        packages = _packages(self._environment)
        triton = packages / "pytriton/tritonserver"
        options = [f"--model-repository={self._repository}", f"--backend-directory={triton / 'backends'}"]
        options += [f"--grpc-port={self.port}", "--grpc-address=127.0.0.1", "--allow-http=false"]
        options += ["--allow-metrics=false", "--model-control-mode=none"]
        variables = {
            "PATH": os.pathsep.join([str(self._environment / "bin"), os.environ["PATH"]]),
            "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"),
        }
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [triton / "bin/tritonserver", *options],
                env=os.environ | variables,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it answers."""
        import grpc

        channel = grpc.insecure_channel(
            f"127.0.0.1:{self.port}", options=[("grpc.max_reconnect_backoff_ms", 100)]
        )
        try:
            grpc.channel_ready_future(channel).result(timeout=60)
        except grpc.FutureTimeoutError:
            raise AssertionError(f"Triton did not start: {self._log.read_text()[-3000:]}") from None
        finally:
            channel.close()


@contextmanager
def real_server(repository: Path, log: Path) -> Iterator[RealServer]:
    """A server that answers, stopped at the end."""
    server = RealServer(repository, log)
    try:
        server.wait()
        yield server
    finally:
        server.kill()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
