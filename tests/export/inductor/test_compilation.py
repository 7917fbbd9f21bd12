import os
import tempfile
from pathlib import Path
from threading import Event, Timer

import pytest
import torch

from dinoflow_deploy.errors import BuildCancelledError, ExportError
from dinoflow_deploy.export.inductor.compilation import compile_model
from dinoflow_deploy.export.inductor.program import Form
from dinoflow_deploy.export.inductor.toolchain import find_toolchain
from tests.compiled_bundles import INPUTS
from tests.quick_model import QuickModel

pytestmark = pytest.mark.slow

FORM = Form("fp32", INPUTS, "images", "cpu")


class _Impossible(QuickModel):
    def forward(self, image1: torch.Tensor, image2: torch.Tensor) -> torch.Tensor:
        raise ValueError(f"not even in a process of its own, {os.environ['TORCHINDUCTOR_CACHE_DIR']}")


def test_what_cannot_be_compiled_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with pytest.raises(ExportError) as refused:
        compile_model(_Impossible(), FORM, find_toolchain("cpu"), Event())
    assert str(refused.value).startswith("PyTorch cannot compile the package for the CPU, ")
    # What compilers keep goes with all else.
    assert f"not even in a process of its own, {tmp_path}/dinoflow-inductor-" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_cancelled() -> None:
    cancel = Event()
    timer = Timer(0.2, cancel.set)
    timer.start()
    with pytest.raises(BuildCancelledError, match="the compilation was cancelled"):
        compile_model(QuickModel(), FORM, find_toolchain("cpu"), cancel)
    timer.join()
