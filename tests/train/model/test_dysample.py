import pytest
import torch
from torch.nn import functional as F

from dinoflow_deploy.train.model.dysample import DySample


def sample_one_by_one(module: DySample, feature: torch.Tensor) -> torch.Tensor:
    """The paper's definition, one output pixel at a time: a bilinear read, clamped at the border."""
    batch, channels, height, width = feature.shape
    offset = module.offset(feature) * module.scope(feature).sigmoid() * 0.5
    per_group = channels // module.groups
    result = torch.zeros(batch, channels, 2 * height, 2 * width)
    for b in range(batch):
        for channel in range(channels):
            group = channel // per_group
            for row in range(2 * height):
                for column in range(2 * width):
                    y, x, sub = row // 2, column // 2, (row % 2) * 2 + column % 2
                    dx = offset[b, group * 4 + sub, y, x] + (column % 2 - 0.5) / 2
                    dy = offset[b, module.groups * 4 + group * 4 + sub, y, x] + (row % 2 - 0.5) / 2
                    result[b, channel, row, column] = bilinear(feature[b, channel], y + dy, x + dx)
    return result


def bilinear(plane: torch.Tensor, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    y = y.clamp(0, plane.shape[0] - 1)
    x = x.clamp(0, plane.shape[1] - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, plane.shape[0] - 1), min(left + 1, plane.shape[1] - 1)
    upper = plane[top, left] * (1 - (x - left)) + plane[top, right] * (x - left)
    lower = plane[bottom, left] * (1 - (x - left)) + plane[bottom, right] * (x - left)
    return upper * (1 - (y - top)) + lower * (y - top)


def with_border_repeated(offset: torch.Tensor, feature: torch.Tensor, scale: int = 2) -> torch.Tensor:
    """Torch's own sampling in float64, padding by the border, at positions that nothing clamps.

    Offsets are in cells, ``[B, 2 * groups * scale^2, H, W]``, features ``[B * groups, channels, H, W]``.
    """
    batch, _, rows, columns = offset.shape
    x, y = (
        F.pixel_shuffle(plane, scale).flatten(0, 1)
        for plane in offset.double().reshape(batch, 2, -1, rows, columns).unbind(1)
    )
    # Each output pixel lies in a cell.
    x = (x + torch.arange(columns).repeat_interleave(scale) + 0.5) * 2 / columns - 1
    y = (y + torch.arange(rows).repeat_interleave(scale)[:, None] + 0.5) * 2 / rows - 1
    grid = torch.stack([x, y], dim=-1)
    return F.grid_sample(feature.double(), grid, padding_mode="border", align_corners=False)


def random_module(channels: int, groups: int) -> DySample:
    torch.manual_seed(0)
    module = DySample(channels, groups)
    # Offsets of a cell and more, beyond what the initialisation gives.
    torch.nn.init.normal_(module.offset.weight, std=0.8)
    torch.nn.init.normal_(module.offset.bias, std=0.8)
    torch.nn.init.normal_(module.scope.weight, std=0.5)
    return module


def test_equals_reading_pixels_one_by_one():
    module = random_module(8, 4)
    feature = torch.randn(2, 8, 3, 5)
    with torch.no_grad():
        torch.testing.assert_close(module(feature), sample_one_by_one(module, feature), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (17, 3), (2, 257)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("reach", [1.0, 1e4])
def test_beyond_the_frame_is_what_is_at_its_border(
    reach: float, dtype: torch.dtype, size: tuple[int, int]
) -> None:
    module = random_module(8, 4)
    feature = torch.randn(2, 8, *size, dtype=dtype)
    with torch.no_grad():
        module.offset.bias *= reach
        module.to(dtype)
        offset = module.offset(feature).float() * module.scope(feature).float().sigmoid() * 0.5
        expected = with_border_repeated(offset + module.init_pos.float(), feature.reshape(8, 2, *size))
        sampled = module(feature)
    assert sampled.dtype == dtype
    # A unit in the last place of a value of 4, and in float32 what positions are rounded by.
    tolerance = max(4 * torch.finfo(dtype).eps, 1e-4)
    torch.testing.assert_close(sampled.double(), expected.reshape(sampled.shape), atol=tolerance, rtol=0)


def test_starts_as_bilinear_upsampling():
    module = DySample(4, 2)
    torch.nn.init.zeros_(module.offset.weight)
    feature = torch.randn(1, 4, 6, 7)
    expected = torch.nn.functional.interpolate(feature, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(module(feature), expected, atol=1e-5, rtol=1e-5)


def test_gradients():
    torch.manual_seed(0)
    module = random_module(4, 2).double()
    feature = torch.randn(1, 4, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module, (feature,))
