"""Which ONNX Runtime execution providers really work here.

``onnxruntime.get_available_providers()`` lists what was compiled in. A session that asks for CUDA where its
libraries or the driver are missing starts on the CPU without an error, so the only proof is to run something.
"""

import base64
import ctypes
import importlib
import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from dinoflow_deploy.bundles.manifest import FileInfo
from dinoflow_deploy.system.optional import is_installed
from dinoflow_deploy.system.user_folders import user_cache

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
TENSORRT: Final = "TensorrtExecutionProvider"

# A 3x3 convolution with a kernel of ones, y = Conv(x, w), x float32 [1, 1, 3, 3]: it needs cuBLAS and cuDNN.
# As bytes because the package onnx, which would write it, is not there where a model is only run.
PROBE: Final = base64.b64decode(
    "CAg6hwEKDwoBeAoBdxIBeSIEQ29udhIFcHJvYmUqMwgBCAEIAwgDEAFCAXdKJAAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD8AAIA/"
    "AACAP1obCgF4EhYKFAgBEhAKAggBCgIIAQoCCAMKAggDYhsKAXkSFgoUCAESEAoCCAEKAggBCgIIAQoCCAFCBAoAEBE="
)
PROBE_INPUT: Final = {"x": np.ones((1, 1, 3, 3), np.float32)}
FATAL: Final = 4
_WARNING: Final = 2


def provider_options(
    provider: str, index: int = 0, model: Path | None = None
) -> list[tuple[str, dict[str, str]]]:
    """The provider as ``InferenceSession`` takes it; fp32 on CUDA means fp32, not TF32.

    TensorRT's keeps the plans that it builds, and what it learns while building, in the user's cache.

    Args:
        provider: Its name.
        index: Which CUDA device.
        model: The ONNX file, whose weights are in it; without, plans are not kept.
    """
    own: dict[str, dict[str, str]] = {CUDA: {"use_tf32": "0"}}
    if provider == TENSORRT:
        own[TENSORRT] = _tensorrt_caches(model)
    return [(provider, {"device_id": str(index), **own[provider]} if provider in own else {})]


def plan_cache() -> Path:
    """Where ONNX Runtime's TensorRT provider keeps its plans."""
    return user_cache("onnxruntime")


@cache
def provider_problem(provider: str, index: int = 0) -> str | None:
    """Run a small convolution on a provider.

    Args:
        provider: For instance ``"CUDAExecutionProvider"``.
        index: Which CUDA device.

    Returns:
        ``None`` if it computed, else why it did not.
    """
    if provider not in onnxruntime.get_available_providers():
        return f"this build of ONNX Runtime {onnxruntime.__version__} does not hold {provider}"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    try:
        with quiet_default_logger():
            preload_libraries(provider)
            session = onnxruntime.InferenceSession(
                PROBE, options, providers=provider_options(provider, index), enable_fallback=0
            )
        if session.get_providers()[0] != provider:
            return _library_problem(provider) or f"{provider} did not start"
        (result,) = session.run(["y"], PROBE_INPUT)
    except Exception as error:  # ONNX Runtime's exceptions share no class of their own
        return " ".join(str(error).split())
    return None if result.item() == 9 else f"{provider} computed {result.item()} where 9 was due"


def preload_libraries(provider: str) -> None:
    """Load CUDA, cuDNN and TensorRT from their Python packages, where ONNX Runtime would not look."""
    if provider in (CUDA, TENSORRT) and hasattr(onnxruntime, "preload_dlls"):
        # It prints what it does not find, and what is missing is reported by the probe.
        with redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()
    if provider == TENSORRT and is_installed("tensorrt"):
        # Importing it loads its libraries; one that does not load is what the probe reports.
        with suppress(ImportError, OSError):
            importlib.import_module("tensorrt")


@contextmanager
def quiet_default_logger() -> Iterator[None]:
    """Keep ONNX Runtime from printing a provider's failure, which is raised or returned instead."""
    onnxruntime.set_default_logger_severity(FATAL)
    try:
        yield
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)


def _tensorrt_caches(model: Path | None) -> dict[str, str]:
    folder = plan_cache()
    folder.mkdir(parents=True, exist_ok=True)
    timing = {"trt_timing_cache_enable": "1", "trt_timing_cache_path": str(folder)}
    if model is None:
        return timing
    # ONNX Runtime tells plans apart by the name of the file and the structure of the graph, not by weights:
    # in one folder, every model of one kind would run on the plan of the first.
    own = folder / FileInfo.of(model).sha256[:16]
    own.mkdir(exist_ok=True)
    return {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(own), **timing}


def _library_problem(provider: str) -> str | None:
    """What the dynamic linker says about the provider's library.

    Only after a session was tried: the library keeps what ONNX Runtime hands it when it is first loaded.
    """
    name = f"libonnxruntime_providers_{provider.removesuffix('ExecutionProvider').lower()}.so"
    try:
        ctypes.CDLL(str(Path(onnxruntime.__file__).parent / "capi" / name))
    except OSError as error:
        return str(error)
    return None
