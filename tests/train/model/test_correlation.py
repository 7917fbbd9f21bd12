import pytest
import torch

from dinoflow_deploy.train.model.correlation import local_correlation


def naive(feature1: torch.Tensor, feature2: torch.Tensor, radius: int) -> torch.Tensor:
    """One displacement and one pixel at a time, in float64."""
    first, second = feature1.double(), feature2.double()
    batch, channels, height, width = first.shape
    side = 2 * radius + 1
    volume = torch.zeros(batch, side * side, height, width, dtype=torch.float64)
    for y in range(height):
        for x in range(width):
            for dy in range(-radius, radius + 1):
                for dx in range(-radius, radius + 1):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        product = (first[:, :, y, x] * second[:, :, y + dy, x + dx]).sum(1)
                        volume[:, (dy + radius) * side + dx + radius, y, x] = product / channels**0.5
    return volume


@pytest.mark.parametrize("radius", range(1, 7))
@pytest.mark.parametrize("size", [(5, 7), (9, 3), (1, 1), (2, 11)], ids=str)
def test_equals_naive_loop(radius, size):
    torch.manual_seed(radius)
    feature1, feature2 = torch.randn(2, 2, 6, *size)
    difference = local_correlation(feature1, feature2, radius) - naive(feature1, feature2, radius)
    assert difference.abs().max() < 1e-5


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 4e-3), (torch.bfloat16, 3e-2)])
def test_half_precisions(dtype, tolerance):
    torch.manual_seed(0)
    feature1, feature2 = torch.randn(2, 1, 32, 7, 9).to(dtype)
    volume = local_correlation(feature1, feature2, 4)
    assert volume.dtype == dtype
    # Relative to the largest entry: one rounding of the product's inputs and one of its result.
    expected = naive(feature1, feature2, 4)
    assert (volume - expected).abs().max() < tolerance * expected.abs().max()


def test_gradients():
    torch.manual_seed(0)
    feature1 = torch.randn(1, 3, 3, 4, dtype=torch.float64, requires_grad=True)
    feature2 = torch.randn(1, 3, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: local_correlation(a, b, 2), (feature1, feature2))


def test_finds_a_displacement():
    torch.manual_seed(0)
    feature1 = torch.nn.functional.normalize(torch.randn(1, 64, 12, 12), dim=1)
    feature2 = torch.roll(feature1, shifts=(2, -3), dims=(2, 3))
    volume = local_correlation(feature1, feature2, 4)
    # dy = 2, dx = -3 of the window of 9: row 6, column 1.
    assert (volume[0, :, 4:8, 4:8].argmax(0) == 6 * 9 + 1).all()
