"""A bundle with a package of PyTorch's compiler, made once for all test processes."""

from pathlib import Path

import pytest

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.system.locks import file_lock

SHAPE = (2, 64, 96)
"""Batch, height and width that the package takes."""
INPUTS = InputRange(*map(AxisRange.fixed, SHAPE))


@pytest.fixture(scope="session")
def compiled_bundle(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A bundle of ``QuickModel`` with a package for the CPU, which nobody may change."""
    base = tmp_path_factory.getbasetemp()
    # That of all test processes, where there are several.
    folder = (base if worker_id == "master" else base.parent) / "compiled-bundle"
    with file_lock(folder.with_suffix(".lock")):
        if not folder.exists():
            _compile(folder)
    return folder


def _compile(folder: Path) -> None:
    # Not in every test session: torch takes seconds to import.
    from dinoflow_deploy.export import ExportOptions, PackageOptions, export_bundle
    from dinoflow_deploy.export.shapes import RequestedShapes
    from tests.quick_model import QuickModel

    target = PackageOptions("cpu", RequestedShapes.of(INPUTS))
    with pytest.MonkeyPatch.context() as patched:
        # Compiling takes half the time if no speed is asked for, and no tries of each kind of vector.
        patched.setenv("AOT_INDUCTOR_COMPILE_WRAPPER_OPT_LEVEL", "O0")
        patched.setenv("TORCHINDUCTOR_VEC_ISA_OK", "1")
        export_bundle(QuickModel(), folder, ExportOptions(inputs=INPUTS), target=target)
