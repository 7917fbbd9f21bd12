"""A bundle's ONNX file on the CPU: in any precision, and on what else runs it here."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.engines.base import FlowEngine
from dinoflow_deploy.system.optional import is_installed

EMULATED: Final = ", bfloat16 emulated"
"""Follows the engine's name where the file holds bfloat16, for which ONNX Runtime's CPU has no kernels."""


@contextmanager
def cpu_engine(bundle: Bundle) -> Iterator[FlowEngine]:
    """ONNX Runtime's CPU provider on a bundle's ONNX file; for bf16 on its emulation, see ``bf16_emulation``.

    Args:
        bundle: The bundle; bf16 needs the package onnx.
    """
    from dinoflow_deploy.engines.onnxruntime.engine import OnnxRuntimeEngine

    with tempfile.TemporaryDirectory() as temporary:
        is_bf16 = bundle.manifest.precision == "bf16"
        source = _emulated(bundle.onnx_path, Path(temporary)) if is_bf16 else bundle
        with OnnxRuntimeEngine(source, device="cpu") as engine:
            yield engine


def further_engines(bundle: Bundle) -> Iterator[FlowEngine]:
    """Other engines that run a bundle's ONNX file on the CPU here, each closed when the next is asked for.

    That is OpenVINO where it is installed, which "auto" takes then; it runs no bf16 files.

    Args:
        bundle: The bundle.

    Raises:
        EngineError: One does not load the file.
    """
    if bundle.manifest.precision != "bf16" and is_installed("openvino"):
        from dinoflow_deploy.engines.openvino.engine import OpenVinoEngine

        with OpenVinoEngine(bundle, device="cpu") as engine:
            yield engine


def _emulated(path: Path, folder: Path) -> Path:
    import onnx

    from dinoflow_deploy.export.bf16_emulation import emulate_bfloat16

    onnx.save(emulate_bfloat16(onnx.load(path)), folder / path.name)
    return folder / path.name
