"""The same tests of kernels on a GPU and, where there is none, in Triton's interpreter."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.export.kernels.interpreter import launch, launch_watched

Launch = Callable[..., Tensor]
"""Of a module of ``export.kernels``, by its name, with the arguments of its ``launch``."""
Compiled = Callable[..., str]
"""The same, to PTX."""


@pytest.fixture(scope="session")
def interpreter() -> Iterator[ProcessPoolExecutor]:
    """A process in which kernels are interpreted: Triton looks once, when it is imported."""
    pytest.importorskip("triton")
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRITON_INTERPRET", "1")
            patch.setenv("OMP_NUM_THREADS", "1")
            executor.submit(int).result()
        yield executor


@pytest.fixture(
    params=[
        "interpreter",
        pytest.param(
            "cuda",
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="torch without CUDA"),
            ],
        ),
    ]
)
def launched(request: pytest.FixtureRequest) -> Launch:
    """Launch a kernel; tensors come from the CPU and go there."""
    if request.param == "cuda":
        return lambda kernel, *arguments: launch(kernel, [_on_cuda(each) for each in arguments]).cpu()
    executor: ProcessPoolExecutor = request.getfixturevalue("interpreter")
    return lambda kernel, *arguments: executor.submit(launch_watched, kernel, arguments).result()


def _on_cuda(value: Any) -> Any:
    return value.cuda() if isinstance(value, Tensor) else value


@pytest.fixture
def hopper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton compiles for an H200, which need not be there."""
    driver = pytest.importorskip("triton").runtime.driver
    backends = pytest.importorskip("triton.backends.compiler")

    class Driver:
        def get_current_target(self) -> Any:
            return backends.GPUTarget("cuda", 90, 32)

    monkeypatch.setattr(driver, "_active", Driver())
    # Unset, it warns of what another version will do.
    monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", "1")


@pytest.fixture
def compiled(hopper: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """Compile what a launch would run on an H200."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))

    def compile_launch(name: str, *arguments: Any) -> str:
        module = import_module(f"dinoflow_deploy.export.kernels.{name}")
        asked = []
        monkeypatch.setattr(module, "wrap_triton", lambda kernel: _Asked(kernel, asked))
        module.launch(*arguments)
        ((kernel, values, num_warps),) = asked
        # Triton takes a length of 1 for a constant too.
        fixed = {
            each.name: value
            for each, value in zip(kernel.params, values, strict=True)
            if each.is_constexpr or (isinstance(value, int) and value == 1)
        }
        kinds = {name: _kind(value) for name, value in zip(kernel.arg_names, values, strict=True)}
        kinds |= dict.fromkeys(fixed, "constexpr")
        aligned = {
            (index,): [["tt.divisibility", 16]] for index, kind in enumerate(kinds.values()) if "*" in kind
        }
        source = ASTSource(kernel, kinds, fixed, aligned)
        done = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": num_warps})
        assert done.asm["cubin"]
        return str(done.asm["ptx"])

    return compile_launch


class _Asked:
    """Takes a kernel's place, and notes what it is called with."""

    def __init__(self, kernel: Any, asked: list[tuple[Any, tuple[Any, ...], int]]) -> None:
        self._kernel, self._asked = kernel, asked

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return lambda *values, num_warps: self._asked.append((self._kernel, values, num_warps))


def _kind(value: Any) -> str:
    names = {torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16"}
    return names[value.dtype] if isinstance(value, Tensor) else "i32"


def rounding(dtype: torch.dtype) -> float:
    """Largest relative error of one rounding to a type; Triton's interpreter cuts bfloat16 off instead."""
    return torch.finfo(dtype).eps / (1 if dtype == torch.bfloat16 else 2)
