"""The script with the reference in the kernels' place; with the kernels it needs a GPU, or minutes."""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dinoflow_deploy.train.model.correlation import correlate_bands
from dinoflow_deploy.train.model.dysample import dysample
from tests.benchmarks.test_scripts import record_of

TINY = ("--sizes", "16x32", "--types", "bf16", "--channels", "8", "--rounds", "2")


class Here:
    """Runs in this process what the script runs in another."""

    def __init__(self, name: str) -> None:
        pass

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def rounded_once(first: Tensor, second: Tensor) -> Tensor:
    return correlate_bands(first.float(), second.float(), 4).to(first.dtype)


@pytest.fixture
def run_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    pytest.importorskip("triton")
    # Imported while nothing asks for the interpreter, which the script does.
    import_module("dinoflow_deploy.export.kernels.operators")
    import kernels_in_triton

    monkeypatch.setenv("TRITON_INTERPRET", "")
    monkeypatch.setattr(kernels_in_triton, "Aside", Here)
    monkeypatch.setattr(kernels_in_triton, "by_kernel", lambda inputs, *_: dysample(*inputs))
    monkeypatch.setattr(kernels_in_triton, "correlate", rounded_once)

    def run(*arguments: str) -> dict[str, Any]:
        record = tmp_path / "record.json"
        monkeypatch.setattr(sys, "argv", ["kernels_in_triton.py", *arguments, "--output", str(record)])
        kernels_in_triton.main()
        found: dict[str, Any] = json.loads(record.read_text())
        return found

    return run


def test_what_is_measured(run_script, capsys: pytest.CaptureFixture[str]) -> None:
    record = run_script("--device", "cpu", *TINY)
    assert [(each["kernel"], each["type"]) for each in record["numbers"]] == [
        (kernel, kind) for kernel in ("dysample", "correlation") for kind in ("fp32", "fp16", "bf16")
    ]
    assert all(0 < each["of_allowed"] <= 1 for each in record["numbers"])
    times = {each["what"]: each for each in record["times"]}
    assert list(times) == ["full", "1/2", "1/4", "1/8", "cost volume"]
    # In two bytes: 8 channels of 8 x 16 cells, two fields of 32 values, four times the cells written; and 32
    # regular positions in four.
    assert times["full"]["bytes"] == 2 * 8 * 16 * (8 + 2 * 32 + 4 * 8) + 4 * 32
    assert times["cost volume"]["bytes"] == 2 * 1 * 2 * (2 * 8 + 81)
    for each in times.values():
        floor = 1e6 * each["bytes"] / record["bandwidth"]
        assert each["floor_microseconds"] == pytest.approx(floor)
        assert all(0 < spread["min"] <= spread["median"] for spread in each["microseconds"].values())
    (tiles,) = record["tiles"]
    assert "2x8x32, 4 warps" in tiles["microseconds"]
    assert "cost volume" in capsys.readouterr().out


def test_a_kernel_that_is_wrong_fails_alone(run_script, monkeypatch: pytest.MonkeyPatch) -> None:
    import kernels_in_triton

    monkeypatch.setattr(kernels_in_triton, "correlate", lambda *features: rounded_once(*features) + 1)
    with pytest.raises(
        SystemExit, match=r"3 failed, the first: correlation, fp32: .* what one rounding allows"
    ):
        run_script("--device", "cpu", *TINY)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_without_a_gpu_says_so(run_script) -> None:
    with pytest.raises(SystemExit, match="finds no CUDA device"):
        run_script()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch without CUDA")
def test_on_a_gpu(tmp_path: Path) -> None:
    record = record_of("kernels_in_triton", tmp_path, *TINY)
    assert all(each["of_allowed"] <= 1 for each in record["numbers"])
    assert len(record["times"]) == 5
