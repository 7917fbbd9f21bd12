"""What torch.compile is asked for, and when.

Inductor's own kernels take minutes to compile on a CPU: `benchmarks/train_rate.py` compares their losses.
What torch loads for it is imported by the tests: every process collects them, and few run them.
"""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from dinoflow_deploy.errors import TrainingError
from dinoflow_deploy.train import compilation
from dinoflow_deploy.train.compilation import check_compiler, compile_in_place, forget_compiled
from dinoflow_deploy.train.trainer import train
from tests.train.micro import CPU, assert_equal, compiled_recipe
from tests.train.test_trainer import _InterruptedAt

pytestmark = pytest.mark.slow


def test_compiled_interrupted_and_resumed_is_eager(tmp_path, micro, monkeypatch):
    from torch._dynamo.utils import counters

    monkeypatch.setattr(compilation, "BACKEND", "eager")
    recipe = compiled_recipe(tmp_path)
    eager = dataclasses.replace(recipe, optimizer=dataclasses.replace(recipe.optimizer, compile=False))
    train(eager, tmp_path / "eager", CPU)
    before = counters["stats"]["unique_graphs"]
    # Where the first stage ends: each is compiled once.
    train(recipe, tmp_path / "run", CPU, progress=_InterruptedAt(4))
    assert train(recipe, tmp_path / "run", CPU, resume=True).finished
    # Two trials of the compiler, two stages of several parts a step, and validations between.
    assert counters["stats"]["unique_graphs"] - before == 4
    for name in ("checkpoint", "best", "last"):
        assert_equal(*(load_file(tmp_path / run / f"{name}.safetensors") for run in ("eager", "run")))


class _Doubled(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return 2 * values


def test_compiling_again_is_told_but_for_another_stage(monkeypatch, capfd):
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    module = _Doubled()
    compile_in_place(module)
    module(torch.ones(4, 2))
    forget_compiled()
    module(torch.ones(5, 2))
    assert "Recompiling" not in capfd.readouterr().err
    module(torch.ones(6, 2))
    told = capfd.readouterr().err
    assert "Recompiling" in told
    assert "expected 5, actual 6" in told


def test_a_machine_that_cannot_compile_is_refused(tmp_path, micro):
    import torch._inductor.config

    message = r"compile = true: torch\.compile fails on cpu \(.*g\+\+.*\).* C\+\+ compiler.*\[optimizer\]"
    nowhere = torch._inductor.config.patch({"cpp.cxx": (None, str(tmp_path / "g++"))})
    with nowhere, pytest.raises(TrainingError, match=message):
        train(compiled_recipe(tmp_path), tmp_path / "run", CPU)
    assert not (tmp_path / "run").exists()


def test_inductor_compiles_here():
    """What is passed to it, it takes."""
    check_compiler(torch.device("cpu"))
