import pytest
import torch
from torch import Tensor

from dinoflow_deploy.errors import InputError
from tests.export.kernels.conftest import Compiled, Launch, rounding
from tests.train.model.test_correlation import naive


def features(shape: tuple[int, int, int, int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    first, second = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    return tuple(each.contiguous(memory_format=torch.channels_last) for each in (first, second))


def compare(volume: Tensor, first: Tensor, second: Tensor, radius: int) -> None:
    assert volume.dtype == first.dtype
    assert volume.is_contiguous(memory_format=torch.channels_last)
    # As the CUDA kernel: sums in float32, rounded once.
    expected = naive(first, second, radius)
    torch.testing.assert_close(volume.double(), expected, rtol=rounding(first.dtype), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "radius", "dtype"),
    [
        ((1, 70, 1, 18), 3, torch.float32),
        ((1, 70, 1, 18), 3, torch.float16),
        ((1, 70, 1, 18), 3, torch.bfloat16),
        ((1, 1, 1, 1), 4, torch.bfloat16),
        ((2, 3, 2, 5), 1, torch.float16),
        ((1, 7, 3, 1), 2, torch.float32),
    ],
    ids=str,
)
def test_equals_the_reference(launched: Launch, shape, radius, dtype) -> None:
    first, second = features(shape, dtype)
    compare(launched("correlation", first, second, radius), first, second, radius)


@pytest.mark.parametrize("radius", [4, 8])
def test_displacements_that_reach_beyond_the_frame(launched: Launch, radius: int) -> None:
    first, second = features((1, 4, 1, 17), torch.float32)
    compare(launched("correlation", first, second, radius), first, second, radius)


def test_two_halves_of_one_tensor_as_the_model_has_them(launched: Launch) -> None:
    tokens = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(0))
    first, second = tokens.transpose(1, 2).reshape(2, -1, 5, 2, 3).unbind(0)
    assert second.is_contiguous(memory_format=torch.channels_last)
    assert second.storage_offset() > 0
    compare(launched("correlation", first, second, 1), first, second, 1)


def test_features_in_another_order_are_copied_first(launched: Launch) -> None:
    first, second = (each.contiguous() for each in features((2, 3, 2, 4), torch.float32))
    compare(launched("correlation", first, second, 1), first, second, 1)


@pytest.mark.parametrize(("dtype", "side"), [(torch.float32, 2), (torch.bfloat16, 1)], ids=str)
def test_only_what_tf32_holds_is_multiplied_in_it(compiled: Compiled, dtype: torch.dtype, side: int) -> None:
    ptx = compiled("correlation", *features((1, 256, side, side), dtype), 4)
    assert ("tf32.tf32.f32" in ptx) == (dtype != torch.float32)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            torch.zeros(1, 4, 2, 2).half(),
            r"feature2 is torch.float16 .* needs torch.float32 of \[1, 4, 2, 2\]",
        ),
        (torch.zeros(1, 4, 1, 2), r"feature2 is torch.float32 of \[1, 4, 1, 2\]: the kernel needs"),
    ],
    ids=["type", "shape"],
)
def test_features_that_differ_are_refused(second: Tensor, message: str) -> None:
    pytest.importorskip("triton")
    from dinoflow_deploy.export.kernels.correlation import launch

    with pytest.raises(InputError, match=message):
        launch(torch.zeros(1, 4, 2, 2), second, 1)
