"""The C++ compiler that PyTorch's compiler calls."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

_PROGRAM: Final = """#include <concepts>
#include <omp.h>
extern "C" int threads() { return omp_get_max_threads(); }
"""
_ARGUMENTS: Final = ("-x", "c++", "-std=c++20", "-fopenmp", "-shared", "-fPIC", "-")


def compiler_problem() -> str | None:
    """Why C++ cannot be compiled here, with what mends it; ``None`` where a small library with OpenMP was."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return f"the C++ compiler {compiler} was not found: install it (apt install g++), or name one by CXX"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [compiler, *_ARGUMENTS, "-o", Path(folder, "small.so")],
            input=_PROGRAM,
            capture_output=True,
            text=True,
            errors="replace",
        )
    if done.returncode == 0:
        return None
    said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[-200:])
    return (
        f"the C++ compiler {compiler} fails ({said}): install g++ 10 or newer (apt install g++), or name one "
        "by CXX"
    )
