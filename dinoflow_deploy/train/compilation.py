"""The objective compiled by ``torch.compile``, once for each stage."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dinoflow_deploy.errors import TrainingError

BACKEND: str | Callable[..., object] = "inductor"
"""What compiles."""

OPTIONS = {
    # Draws the numbers that the uncompiled objective would.
    "fallback_random": True,
    # Kernels chosen by how fast they are at the moment sum in another order from one start to the next.
    "deterministic": True,
}
"""Of inductor: a resumed run compiles again, and has to go on with the same bits."""


def check_compiler(device: torch.device) -> None:
    """Compile a small function for the device, and run it.

    Raises:
        TrainingError: That failed, as where there is no C++ compiler or, on a GPU, no Triton.
    """
    # Not from the cache, which would need no compiler.
    compiled = torch.compile(_small, backend=BACKEND, options=_options(fx_graph_cache=False))
    try:
        compiled(torch.ones(8, device=device))
    except Exception as error:  # whatever compilers, linkers and headers may lack
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        needed = "a C++ compiler (g++, or what CXX names)"
        if device.type == "cuda":
            needed = "Triton, a C compiler and Python's headers"
        raise TrainingError(
            f"compile = true: torch.compile fails on {device.type} ({reason}); it needs {needed}: "
            "install it, or set compile = false in [optimizer]"
        ) from error


def compile_in_place(objective: nn.Module) -> None:
    """Have a module's calls compiled: as one graph, for the exact shapes of each call's arguments.

    What makes torch compile it again, it logs with the reason. After ``forget_compiled`` it is compiled anew
    without a word.
    """
    # TORCH_LOGS, where it is set, has precedence.
    torch._logging.set_logs(recompiles=True)  # type: ignore[attr-defined]
    objective.compile(fullgraph=True, dynamic=False, backend=BACKEND, options=_options())


def forget_compiled() -> None:
    """Make room for another stage's graph: torch keeps eight of a function, and gives up beyond."""
    torch.compiler.reset()


def _options(**more: bool) -> dict[str, Any] | None:
    return OPTIONS | more if BACKEND == "inductor" else None


def _small(values: Tensor) -> Tensor:
    return values.sin() + 1
