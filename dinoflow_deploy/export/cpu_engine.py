"""A bundle's ONNX file on the CPU, in any precision."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinoflow_deploy.bundles.bundle import ONNX_NAME
from dinoflow_deploy.engines.base import FlowEngine
from dinoflow_deploy.engines.loading import load_engine

EMULATED = ", bfloat16 emulated"
"""Follows the engine's name where the file holds bfloat16, for which ONNX Runtime's CPU has no kernels."""


@contextmanager
def cpu_engine(bundle: Path, precision: str) -> Iterator[FlowEngine]:
    """ONNX Runtime's CPU provider on a bundle's ONNX file; for bf16 on its emulation, see ``emulation``.

    Args:
        bundle: Folder of the bundle.
        precision: Of the file. bf16 needs the package onnx.
    """
    with tempfile.TemporaryDirectory() as temporary:
        path = _emulated(bundle / ONNX_NAME, Path(temporary)) if precision == "bf16" else bundle
        with load_engine(path, "onnxruntime", "cpu") as engine:
            yield engine


def _emulated(path: Path, folder: Path) -> Path:
    import onnx

    from dinoflow_deploy.export.bf16_emulation import emulate_bfloat16

    onnx.save(emulate_bfloat16(onnx.load(path)), folder / ONNX_NAME)
    return folder / ONNX_NAME
