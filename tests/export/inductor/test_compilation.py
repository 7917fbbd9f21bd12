import os
from pathlib import Path
from threading import Event, Timer

import pytest
import torch

from dinoflow_deploy.errors import BuildCancelledError, ExportError
from dinoflow_deploy.export.inductor.compilation import compile_model
from dinoflow_deploy.export.inductor.toolchain import find_toolchain
from tests.compiled_bundles import INPUTS
from tests.quick_model import QuickModel

pytestmark = pytest.mark.slow


class _Impossible(QuickModel):
    def forward(self, image1: torch.Tensor, image2: torch.Tensor) -> torch.Tensor:
        raise ValueError(f"not even in a process of its own, {os.environ['TORCHINDUCTOR_CACHE_DIR']}")


def test_what_cannot_be_compiled_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    with pytest.raises(ExportError) as refused:
        compile_model(_Impossible(), "fp32", INPUTS, find_toolchain("cpu"), tmp_path, Event())
    assert str(refused.value).startswith("PyTorch cannot compile the package for the CPU, ")
    # What compilers keep is kept in the folder.
    assert str(refused.value).endswith(f"not even in a process of its own, {tmp_path}/inductor")


def test_it_can_be_cancelled(tmp_path: Path) -> None:
    cancel = Event()
    timer = Timer(0.2, cancel.set)
    timer.start()
    with pytest.raises(BuildCancelledError, match="the compilation was cancelled"):
        compile_model(QuickModel(), "fp32", INPUTS, find_toolchain("cpu"), tmp_path, cancel)
    timer.join()
    assert not (tmp_path / "compiled.pt2").exists()
