import re

import pytest
import torch
from torch import Tensor

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.train.model.dysample import DySample
from tests.export.kernels.conftest import Compiled, Launch, rounding
from tests.train.model.test_dysample import with_border_repeated

Case = tuple[Tensor, Tensor, Tensor, Tensor, int, int]


def case(
    shape: tuple[int, int, int, int], groups: int, dtype: torch.dtype, *, scale: int = 2, reach: float = 4.0
) -> Case:
    """Arguments of the kernel; half of the positions reach that far, in cells, and further."""
    generator = torch.Generator().manual_seed(0)

    def draw(channels: int) -> Tensor:
        size = (shape[0], channels, *shape[2:])
        return torch.randn(size, generator=generator).to(dtype).contiguous(memory_format=torch.channels_last)

    positions = 2 * groups * scale**2
    regular = DySample(shape[1], groups, scale).init_pos
    return draw(shape[1]), draw(positions) * 3 * reach, draw(positions), regular, groups, scale


def expected(
    feature: Tensor, offset: Tensor, scope: Tensor, regular: Tensor, groups: int, scale: int
) -> Tensor:
    """By torch in float64, from the same rounded numbers."""
    batch, channels, height, width = feature.shape
    offset = offset.double() * scope.double().sigmoid() * 0.5 + regular
    grouped = feature.reshape(batch * groups, channels // groups, height, width)
    sampled = with_border_repeated(offset, grouped, scale)
    return sampled.reshape(batch, channels, scale * height, scale * width)


def compare(sampled: Tensor, arguments: Case) -> None:
    dtype = arguments[0].dtype
    assert sampled.dtype == dtype
    assert sampled.is_contiguous(memory_format=torch.channels_last)
    # Of features up to 4, read at positions of which float32 knows a millionth.
    torch.testing.assert_close(sampled.double(), expected(*arguments), rtol=rounding(dtype), atol=5e-5)


@pytest.mark.parametrize(
    ("shape", "groups", "dtype"),
    [
        ((2, 12, 3, 5), 3, torch.float32),
        ((2, 12, 3, 5), 3, torch.float16),
        ((2, 12, 3, 5), 3, torch.bfloat16),
        ((1, 5, 1, 1), 1, torch.bfloat16),
        ((1, 8, 1, 11), 2, torch.float16),
        ((1, 4, 7, 2), 2, torch.float32),
    ],
    ids=str,
)
def test_equals_the_reference(launched: Launch, shape, groups, dtype) -> None:
    arguments = case(shape, groups, dtype)
    compare(launched("dysample", *arguments), arguments)


@pytest.mark.parametrize("reach", [0.3, 1e4, float("inf")])
def test_any_reach_ends_at_the_border(launched: Launch, reach: float) -> None:
    feature, offset, *rest = case((1, 4, 2, 9), 2, torch.float32, reach=reach)
    sampled = launched("dysample", feature, offset, *rest)
    compare(sampled, (feature, offset.clamp(-1e6, 1e6), *rest))


def test_a_scale_of_3(launched: Launch) -> None:
    arguments = case((1, 4, 2, 3), 2, torch.float32, scale=3)
    compare(launched("dysample", *arguments), arguments)


def test_more_channels_than_are_computed_at_a_time(launched: Launch) -> None:
    # 32 at a time, and 3 are left.
    arguments = case((1, 67, 1, 2), 1, torch.float32)
    compare(launched("dysample", *arguments), arguments)


def test_tensors_in_another_order_are_copied_first(launched: Launch) -> None:
    feature, offset, scope, *rest = case((2, 4, 3, 5), 2, torch.float32)
    spaced = torch.stack([feature, feature], dim=-1)[..., 0]
    arguments = (spaced, offset.contiguous(), scope.transpose(2, 3).contiguous().transpose(2, 3), *rest)
    assert not any(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in arguments[:3])
    compare(launched("dysample", *arguments), arguments)


def test_nan_in_a_position_is_seen(launched: Launch) -> None:
    feature, offset, *rest = case((1, 4, 2, 2), 2, torch.float32)
    # x of the second group's first sub-cell, of one cell, and y of the first group's last one, of another.
    offset[0, 4, 0, 1] = torch.nan
    offset[0, 8 + 3, 1, 0] = torch.nan
    sampled = launched("dysample", feature, offset, *rest)
    wrong = torch.zeros(1, 4, 4, 4, dtype=torch.bool)
    wrong[0, 2:, 0, 2] = True
    wrong[0, :2, 3, 1] = True
    assert torch.equal(sampled.isnan(), wrong)


def test_compiles_to_wide_reads_and_writes(compiled: Compiled) -> None:
    """Sixteen bytes of neighbouring channels at a time, and nothing passed between threads."""
    ptx = compiled("dysample", *case((1, 256, 1, 2), 4, torch.bfloat16))
    assert set(re.findall(r"st\.global\.[\w.]+", ptx)) == {"st.global.v4.b32"}
    # 64 pixels of 64 channels in two bytes, by 128 threads; each is read in four places.
    assert len(re.findall(r"ld\.global\.v4\.b32", ptx)) == 4 * 64 * 64 * 2 / 16 / 128
    assert ".shared" not in ptx


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: torch.zeros(1, 4, 2, 2, dtype=torch.float64)}, "feature is float64: the kernels know float32, "),
        (
            {1: torch.zeros(1, 16, 2, 3)},
            r"offset is .*\[1, 16, 2, 3\].* needs torch.float32 of \[1, 16, 2, 2\]",
        ),
        ({2: torch.zeros(1, 16, 2, 2).half()}, r"scope is torch.float16 of .* needs torch.float32 of"),
        (
            {3: torch.zeros(1, 8, 1, 1)},
            r"regular is .*\[1, 8, 1, 1\].* needs torch.float32 of \[1, 16, 1, 1\]",
        ),
    ],
    ids=["type", "shape", "another type", "positions"],
)
def test_what_the_kernel_would_read_wrongly_is_refused(change: dict[int, Tensor], message: str) -> None:
    pytest.importorskip("triton")
    from dinoflow_deploy.export.kernels.dysample import launch

    arguments = dict(enumerate(case((1, 4, 2, 2), 2, torch.float32))) | change
    with pytest.raises(InputError, match=message):
        launch(*arguments.values())
