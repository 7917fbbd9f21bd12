import itertools

import numpy as np
import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import (
    FlowErrorSums,
    FlowMetrics,
    end_point_error,
    evaluate_flow,
    flow_error_sums,
)
from tests.flow.samples import random_flow


def at_errors(errors: list[float], true_length: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """One row of pixels with these end-point errors, the truth pointing left with one length."""
    truth = np.zeros((1, len(errors), 2), np.float32)
    truth[..., 0] = -true_length
    flow = truth.copy()
    flow[0, :, 1] += errors
    return flow, truth


def test_end_point_error_by_hand() -> None:
    flow = np.array([[[3, 4], [1, 1], [0, 0]]], np.float32)
    truth = np.array([[[0, 0], [1, 1], [-5, 12]]], np.float32)
    epe = end_point_error(flow, truth)
    assert epe.dtype == np.float32
    np.testing.assert_array_equal(epe, [[5, 0, 13]])


@pytest.mark.filterwarnings("error")
def test_end_point_error_keeps_what_is_not_finite() -> None:
    flow = np.array([[[np.nan, 0], [np.inf, 0], [np.inf, 0]]], np.float32)
    truth = np.array([[[0, 0], [0, 0], [np.inf, 0]]], np.float32)
    np.testing.assert_array_equal(end_point_error(flow, truth), [[np.nan, np.inf, np.nan]])


def test_against_plain_numpy_in_float64() -> None:
    flow, truth = random_flow(40, 50, seed=1, reach=6), random_flow(40, 50, seed=2, reach=6)
    valid = np.random.default_rng(3).random((40, 50)) < 0.7
    epe = np.linalg.norm(flow.astype(np.float64) - truth, axis=-1)[valid]
    length = np.linalg.norm(truth.astype(np.float64), axis=-1)[valid]
    metrics = evaluate_flow(flow, truth, valid)
    assert metrics.pixels == valid.sum()
    assert metrics.epe == pytest.approx(epe.mean(), rel=1e-6)
    assert (metrics.px1, metrics.px3, metrics.px5) == tuple((epe < t).mean() for t in (1, 3, 5))
    assert metrics.fl_all == pytest.approx(100 * ((epe > 3) & (epe / length > 0.05)).mean())
    assert 0 < metrics.px1 < metrics.px3 < metrics.px5 < 1


def test_thresholds_are_strict() -> None:
    metrics = evaluate_flow(*at_errors([0.5, 1, 2, 3, 4, 5, 6, 7]))
    assert metrics == FlowMetrics(pixels=8, epe=28.5 / 8, px1=1 / 8, px3=3 / 8, px5=5 / 8, fl_all=50.0)


@pytest.mark.parametrize(
    ("error", "true_length", "outlier"),
    [
        (3.0, 0.0, False),  # not above 3 px
        (3.001, 0.0, True),  # above 3 px where nothing moves: any share of zero
        (3.001, 60.0, True),
        (3.001, 61.0, False),  # above 3 px but below 5 %
        (5.0, 100.0, False),  # exactly 5 %
        (5.001, 100.0, True),
        (2.0, 1.0, False),  # 200 % but below 3 px
    ],
)
def test_fl_all_needs_both_limits(error: float, true_length: float, outlier: bool) -> None:
    assert evaluate_flow(*at_errors([error], true_length)).fl_all == (100.0 if outlier else 0.0)


@pytest.mark.parametrize("unknown", [np.nan, np.inf, 1e10])
@pytest.mark.filterwarnings("error")
def test_unknown_truth_never_counts(unknown: float) -> None:
    flow, truth = at_errors([1, 2, 3])
    truth[0, 2, 0] = unknown
    expected = evaluate_flow(flow[:, :2], truth[:, :2])
    assert evaluate_flow(flow, truth) == expected
    assert evaluate_flow(flow, truth, np.ones((1, 3), bool)) == expected


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_prediction_that_is_not_finite_is_refused_where_it_counts(wrong: float) -> None:
    flow, truth = at_errors([1, 2, 3, 4])
    flow[0, 2, 1] = wrong
    with pytest.raises(InputError, match="not finite at 1 of 3 valid pixels, first at column 2, row 0"):
        evaluate_flow(flow, truth, np.array([[False, True, True, True]]))
    valid = np.array([[True, True, False, False]])
    assert evaluate_flow(flow, truth, valid).epe == 1.5


def test_nothing_valid() -> None:
    flow, truth = at_errors([1, 2])
    nothing = np.zeros((1, 2), bool)
    with pytest.raises(InputError, match="no valid pixel"):
        evaluate_flow(flow, truth, nothing)
    assert flow_error_sums(flow, truth, nothing) == FlowErrorSums()


def test_sums_pool_pixels_whatever_the_order() -> None:
    rng = np.random.default_rng(4)
    fields = [(random_flow(7, 9 + i, seed=i), random_flow(7, 9 + i, seed=50 + i)) for i in range(5)]
    masks = [rng.random(flow.shape[:2]) < 0.5 for flow, _ in fields]
    parts = [flow_error_sums(*pair, mask) for pair, mask in zip(fields, masks, strict=True)]
    totals = [sum(order, FlowErrorSums()) for order in itertools.permutations(parts)]
    assert all(total == totals[0] for total in totals)
    assert (parts[0] + parts[1]) + (parts[2] + parts[3] + parts[4]) == totals[0]
    pooled = [
        np.concatenate([pair[i][mask] for pair, mask in zip(fields, masks, strict=True)])[None]
        for i in (0, 1)
    ]
    metrics = totals[0].metrics()
    expected = evaluate_flow(*pooled)
    assert metrics.epe == pytest.approx(expected.epe, rel=1e-14)
    assert metrics.pixels == expected.pixels == sum(mask.sum() for mask in masks)
    assert (metrics.px1, metrics.px3, metrics.px5) == (expected.px1, expected.px3, expected.px5)
    assert metrics.fl_all == expected.fl_all


def test_many_pixels_lose_no_precision() -> None:
    # A float32 sum of this many stalls or drifts.
    flow = np.full((2000, 2000, 2), 0.1, np.float32)
    flow[0, 0] = 1e5
    truth = np.zeros_like(flow)
    each = np.float64(np.hypot(np.float32(0.1), np.float32(0.1)))
    expected = (each * (flow[..., 0].size - 1) + np.float64(np.hypot(np.float32(1e5), np.float32(1e5)))) / 4e6
    assert evaluate_flow(flow, truth).epe == pytest.approx(expected, rel=1e-12)


def test_fields_that_do_not_fit_are_refused() -> None:
    flow = random_flow(4, 5)
    with pytest.raises(InputError, match=r"shape \(4, 5, 2\) and truth of shape \(5, 4, 2\) differ"):
        evaluate_flow(flow, random_flow(5, 4))
    with pytest.raises(InputError, match=r"must be bool \(4, 5\)"):
        evaluate_flow(flow, flow, np.ones((4, 5), np.float32))
    with pytest.raises(InputError, match=r"must be \[H, W, 2\]"):
        end_point_error(np.moveaxis(flow, -1, 0), np.moveaxis(flow, -1, 0))
