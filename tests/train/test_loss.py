"""The losses against values counted by hand and against plain loops."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from dinoflow_deploy.train.loss import masked_l1, matching_loss

NAN, INF = math.nan, math.inf


def _flow(*pixels: tuple[float, float]) -> Tensor:
    """One row of pixels, ``[1, 2, 1, W]``."""
    return torch.tensor(pixels, dtype=torch.float32).T[None, :, None, :].contiguous()


def _mask(*valid: bool) -> Tensor:
    return torch.tensor(valid)[None, None, :]


def test_mean_over_valid_pixels_of_both_components():
    flow, truth = _flow((1, 2), (0, 0), (5, 5)), _flow((0, 4), (-3, 0.5), (0, 0))
    # |1 - 0| + |2 - 4| = 3 and 3 + 0.5 = 3.5; the third does not count.
    assert masked_l1(flow, truth, _mask(True, True, False), 400).item() == pytest.approx(3.25)


def test_a_robust_loss_weighs_what_is_nearly_right_more():
    flow, truth = _flow((0.3, 0), (20, 1), (9, 9)), _flow((0, 0), (0, 0), (0, 0))
    valid = _mask(True, True, False)
    expected = (0.4**0.5 - 0.1**0.5 + 21.1**0.5 - 0.1**0.5) / 2
    assert masked_l1(flow, truth, valid, 400, 0.5).item() == pytest.approx(expected)
    steepness = []
    for error in (0.2, 2.0, 20.0):
        flow = _flow((error, 0)).requires_grad_()
        masked_l1(flow, _flow((0, 0)), _mask(True), 400, 0.5).backward()
        steepness.append(flow.grad[0, 0].item())
    assert steepness[0] > 2 * steepness[1] > 4 * steepness[2] > 0


def test_pixels_of_the_batch_are_pooled():
    flow = torch.cat([_flow((2, 0), (2, 0), (2, 0)), _flow((10, 0), (10, 0), (10, 0))])
    valid = torch.cat([_mask(True, True, True), _mask(True, False, False)])
    assert masked_l1(flow, torch.zeros_like(flow), valid, 400).item() == pytest.approx((3 * 2 + 10) / 4)


def test_flow_as_long_as_the_cap_does_not_count():
    flow, truth = _flow((0, 0), (0, 0), (0, 0)), _flow((3, 4), (3, 3.99), (30, 40))
    assert masked_l1(flow, truth, _mask(True, True, True), 5).item() == pytest.approx(6.99)


@pytest.mark.parametrize("hole", [NAN, INF, -INF, 1e10, 1e30])
@pytest.mark.parametrize("valid", [False, True])
def test_unknown_flow_leaks_neither_into_loss_nor_gradient(hole, valid):
    flow = _flow((1, 2), (7, 7), (8, 8)).requires_grad_()
    truth = _flow((0, 4), (hole, 0), (0, hole))
    loss = masked_l1(flow, truth, _mask(True, valid, valid), 400)
    loss.backward()
    assert loss.item() == pytest.approx(3)
    assert flow.grad is not None
    assert torch.equal(flow.grad, _flow((1, -1), (0, 0), (0, 0)))


def test_a_wrong_prediction_where_nothing_is_known_does_not_matter():
    flow = _flow((1, 2), (NAN, INF)).requires_grad_()
    loss = masked_l1(flow, _flow((0, 4), (0, 0)), _mask(True, False), 400)
    loss.backward()
    assert loss.item() == pytest.approx(3)
    assert flow.grad is not None
    assert torch.equal(flow.grad, _flow((1, -1), (0, 0)))


def test_a_prediction_that_is_not_finite_is_not_hidden():
    loss = masked_l1(_flow((NAN, 0)), _flow((0, 0)), _mask(True), 400)
    assert loss.isnan()


def test_no_pixel_gives_zero_and_a_zero_gradient():
    flow = _flow((1, 2), (3, 4)).requires_grad_()
    loss = masked_l1(flow, _flow((NAN, NAN), (0, 0)), _mask(True, False), 400)
    loss.backward()
    assert loss.item() == 0
    assert flow.grad is not None
    assert not flow.grad.any()


def test_gradient_is_right_in_float64():
    torch.manual_seed(0)
    flow = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    truth, valid = torch.randn_like(flow) * 3, torch.rand(2, 3, 4) > 0.3
    assert torch.autograd.gradcheck(lambda value: masked_l1(value, truth, valid, 4.0), flow)


STRIDE, RADIUS = 4, 2


def _naive_matching(volume: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> tuple[float, int]:
    """Cell by cell; the loss and how many cells counted."""
    total, counted, side = 0.0, 0, 2 * RADIUS + 1
    batch, _, rows, columns = volume.shape
    for index in range(batch):
        for row in range(rows):
            for column in range(columns):
                pixels = np.s_[row * STRIDE : (row + 1) * STRIDE, column * STRIDE : (column + 1) * STRIDE]
                if not valid[index][pixels].all():
                    continue
                dx = truth[index, 0][pixels].mean() / STRIDE
                dy = truth[index, 1][pixels].mean() / STRIDE
                inside = -0.5 < column + dx < columns - 0.5 and -0.5 < row + dy < rows - 0.5
                if max(abs(dx), abs(dy)) >= RADIUS or not inside:
                    continue
                wanted = np.zeros((side, side))
                left, top = math.floor(dx), math.floor(dy)
                for y, weight_y in ((top, 1 - (dy - top)), (top + 1, dy - top)):
                    for x, weight_x in ((left, 1 - (dx - left)), (left + 1, dx - left)):
                        if weight_x * weight_y > 0:
                            wanted[y + RADIUS, x + RADIUS] += weight_x * weight_y
                logits = volume[index, :, row, column].astype(np.float64)
                logarithms = logits - np.log(np.exp(logits).sum())
                total -= (wanted.ravel() * logarithms).sum()
                counted += 1
    return total / max(counted, 1), counted


@pytest.mark.parametrize("motion", [0.0, 3.0, 12.0])
def test_matching_equals_a_plain_loop(motion):
    generator = np.random.default_rng(int(motion))
    rows, columns = 5, 6
    volume = generator.normal(size=(2, 25, rows, columns)).astype(np.float32)
    cells = generator.normal(scale=motion, size=(2, 2, rows, columns))
    detail = generator.normal(scale=0.5, size=(2, 2, rows * STRIDE, columns * STRIDE))
    truth = (cells.repeat(STRIDE, 2).repeat(STRIDE, 3) + detail).astype(np.float32)
    valid = generator.random((2, rows * STRIDE, columns * STRIDE)) > 0.01
    expected, counted = _naive_matching(volume, truth, valid)
    assert 0 < counted < 2 * rows * columns, "some cells count and some do not"
    # What stands where nothing is known must not matter.
    truth[np.broadcast_to(~valid[:, None], truth.shape)] = np.nan
    loss = matching_loss(*(torch.from_numpy(array) for array in (volume, truth, valid)), RADIUS)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def _cell(dx: float, dy: float, rows: int = 5, columns: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """A volume, flow of one displacement in cells, and a mask that leaves the middle cell alone."""
    volume = torch.zeros(1, 25, rows, columns)
    truth = torch.empty(1, 2, rows * STRIDE, columns * STRIDE)
    truth[:, 0], truth[:, 1] = dx * STRIDE, dy * STRIDE
    valid = torch.zeros(1, rows * STRIDE, columns * STRIDE, dtype=torch.bool)
    valid[:, 8:12, 8:12] = True
    return volume, truth, valid


def test_a_peak_at_the_true_displacement_is_right():
    volume, truth, valid = _cell(1, -2 + 1e-3)
    volume[:, (-2 + RADIUS) * 5 + 1 + RADIUS] = 50.0
    assert matching_loss(volume, truth, valid, RADIUS).item() == pytest.approx(0, abs=0.1)
    # The same peak with x and y exchanged is wrong.
    assert matching_loss(volume, truth.flip(1), valid, RADIUS).item() == pytest.approx(50, abs=0.1)


def test_even_logits_cost_the_logarithm_of_their_number():
    assert matching_loss(*_cell(0.3, 0.6), RADIUS).item() == pytest.approx(math.log(25), rel=1e-5)


@pytest.mark.parametrize(("dx", "dy"), [(2.0, 0.0), (0.0, -2.0), (5.0, 0.0)])
def test_a_displacement_beyond_the_radius_does_not_count(dx, dy):
    assert matching_loss(*_cell(dx, dy), RADIUS).item() == 0


def test_a_cell_that_leaves_the_frame_does_not_count():
    volume, truth, _ = _cell(0, -1.6)
    rows = truth.shape[2] // STRIDE
    for row in range(rows):
        valid = torch.zeros(1, *truth.shape[2:], dtype=torch.bool)
        valid[:, row * STRIDE : (row + 1) * STRIDE] = True
        assert (matching_loss(volume, truth, valid, RADIUS).item() > 0) == (row - 1.6 > -0.5)


def test_one_unknown_pixel_makes_its_cell_unknown():
    volume, truth, valid = _cell(0, 0)
    valid[0, 11, 11] = False
    assert matching_loss(volume, truth, valid, RADIUS).item() == 0


def test_no_cell_gives_zero_and_a_zero_gradient():
    volume, truth, valid = _cell(0, 0)
    volume.requires_grad_()
    loss = matching_loss(volume, truth * NAN, valid & False, RADIUS)
    loss.backward()
    assert loss.item() == 0
    assert volume.grad is not None
    assert not volume.grad.any()


def test_unknown_flow_leaks_into_no_gradient_of_the_volume():
    volume, truth, valid = _cell(0.25, 0.25)
    volume.requires_grad_()
    truth[:, :, :4] = NAN
    matching_loss(volume, truth, valid, RADIUS).backward()
    assert volume.grad is not None
    assert volume.grad.isfinite().all()
    assert volume.grad[0, :, 2, 2].any()
    assert not volume.grad[0, :, :2].any()


def test_a_bfloat16_volume_is_compared_in_float32():
    volume, truth, valid = _cell(0.3, 0.6)
    volume = torch.randn_like(volume).bfloat16()
    loss = matching_loss(volume, truth, valid, RADIUS)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(matching_loss(volume.float(), truth, valid, RADIUS).item(), rel=1e-6)
