from typing import Any

import pytest
import torch

pytest.importorskip("triton")


def test_an_interpreted_kernel_is_not_torch_s_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch 2.11 refuses it."""
    from triton.runtime.interpreter import InterpretedFunction

    from dinoflow_deploy.export.kernels.dysample import dysample_kernel
    from dinoflow_deploy.export.kernels.wrapping import wrap_triton

    asked: list[Any] = []
    monkeypatch.setattr(torch.library, "wrap_triton", asked.append)
    interpreted = InterpretedFunction(dysample_kernel.fn)
    assert wrap_triton(interpreted) is interpreted
    assert not asked
    wrap_triton(dysample_kernel)
    assert asked == [dysample_kernel]


def test_torch_finds_the_kernel_of_each_operator() -> None:
    """What it has compiled would outlive a change of a kernel that it does not know."""
    from torch._library.triton import get_triton_kernels_for_op

    from dinoflow_deploy.export.kernels import correlation, dysample, operators

    for operator, kernel in (
        (operators.dysample_operator, dysample.dysample_kernel),
        (operators.correlation_operator, correlation.correlation_kernel),
    ):
        assert get_triton_kernels_for_op(operator._qualname) == [kernel]
