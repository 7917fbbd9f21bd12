import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dinoflow_deploy.export.plugin.files import KERNEL_SOURCE
from dinoflow_deploy.export.plugin.nvcc import Nvcc


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
def test_cmake_builds_the_plugin(real_nvcc: Nvcc, real_headers: Path, tmp_path: Path) -> None:
    # pip's nvcc does not look where pip's libraries are.
    libraries = real_nvcc.path.parents[1] / "lib"
    environment = {**os.environ, "CUDACXX": str(real_nvcc.path), "CUDAFLAGS": f"-L{libraries}"}
    configure = ["cmake", "-S", KERNEL_SOURCE.parent, "-B", tmp_path, "-DCMAKE_CUDA_ARCHITECTURES=90"]
    for command in ([*configure, f"-DTENSORRT_ROOT={real_headers}"], ["cmake", "--build", tmp_path]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    library = (tmp_path / "libdinoflow_local_correlation.so").read_bytes()
    assert b"getCreators" in library
    assert b"sm_90" in library
