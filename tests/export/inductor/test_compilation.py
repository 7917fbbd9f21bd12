import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Timer

import pytest

from dinoflow_deploy.errors import BuildCancelledError, ExportError
from dinoflow_deploy.export.inductor import compilation
from dinoflow_deploy.export.inductor.compilation import compile_model
from dinoflow_deploy.export.inductor.program import Form
from dinoflow_deploy.export.inductor.toolchain import find_toolchain
from tests.compiled_bundles import INPUTS
from tests.quick_model import QuickModel

pytestmark = pytest.mark.slow

FORM = Form("fp32", INPUTS, "images", "cpu")


@pytest.mark.parametrize("own_cache", [None, "/where/the/user/says"])
def test_what_compilers_say_and_keep(
    own_cache: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiler's command line is long, and what it says comes behind; what it keeps goes with all else."""
    kept: dict[str, str] = {}

    def fail(cancel: Event, *words: str, environment: Mapping[str, str]) -> tuple[None, str]:
        kept.update(os.environ | environment)
        return None, f"C++ compile error Command: g++ {'-I/include ' * 99} Output: fatal error: no omp.h"

    monkeypatch.setattr(compilation, "call_until", fail)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    if own_cache:
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", own_cache)
    with pytest.raises(ExportError) as refused:
        compile_model(QuickModel(), FORM, find_toolchain("cpu"), Event())
    assert str(refused.value).startswith("PyTorch cannot compile the package for the CPU, ")
    assert str(refused.value).endswith(": fatal error: no omp.h")
    assert kept["TORCHINDUCTOR_CACHE_DIR"].startswith(own_cache or f"{tmp_path}/dinoflow-inductor-")
    assert kept["TRITON_CACHE_DIR"].startswith(f"{tmp_path}/dinoflow-inductor-")
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_cancelled() -> None:
    cancel = Event()
    timer = Timer(0.2, cancel.set)
    timer.start()
    with pytest.raises(BuildCancelledError, match="the compilation was cancelled"):
        compile_model(QuickModel(), FORM, find_toolchain("cpu"), cancel)
    timer.join()
