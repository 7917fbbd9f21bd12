import copy
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dinoflow_deploy.errors import MissingPackageError
from dinoflow_deploy.export.kernels import replacement
from dinoflow_deploy.export.kernels.replacement import use_kernels
from tests.export.kernels.small_decoder import SmallDecoder, features


class Heard(TorchDispatchMode):
    """Notes the operators that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.called.append(str(func))
        return func(*args, **(kwargs or {}))


def test_every_sampling_and_the_cost_volume_of_a_model_are_operators() -> None:
    pytest.importorskip("triton")
    head = SmallDecoder().head
    names = list(head.state_dict())
    use_kernels(head)
    assert list(head.state_dict()) == names
    with Heard() as heard:
        head.decode(*head.compare_features(*features(1, 2)))
    ours = [name for name in heard.called if name.startswith("dinoflow.")]
    assert ours == ["dinoflow.local_correlation.default"] + ["dinoflow.dysample.default"] * 4
    assert not any("grid_sampler" in name for name in heard.called)


def test_on_a_cpu_the_numbers_stay() -> None:
    pytest.importorskip("triton")
    model = SmallDecoder()
    (expected,) = model(*features())
    assert expected.std() > 0.1
    use_kernels(model)
    torch.testing.assert_close(model(*features())[0], expected)


def test_a_copy_moves_alone() -> None:
    pytest.importorskip("triton")
    model = SmallDecoder()
    (expected,) = model(*features())
    use_kernels(model)
    moved = copy.deepcopy(model).to("meta")
    assert moved(*(each.to("meta") for each in features()))[0].is_meta
    torch.testing.assert_close(model(*features())[0], expected)


def test_without_triton_nothing_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacement, "is_installed", lambda _: False)
    model = SmallDecoder()
    kinds = [type(module) for module in model.modules()]
    with pytest.raises(MissingPackageError, match=r"need the package 'triton', .* pip install triton"):
        use_kernels(model)
    assert [type(module) for module in model.modules()] == kinds
