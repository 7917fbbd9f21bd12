"""Accuracy over many images, against the formulas of RAFT, torchvision and Spring written out plainly."""

import json

import numpy as np
import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import AccuracySums, accuracy_sums

SIZES = ((24, 40), (31, 17), (1, 1), (48, 64))


def scene(size: tuple[int, int], seed: int, share: float = 0.7):
    """Prediction, truth, validity and occlusion of one image."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(0, 25, (*size, 2)).astype(np.float32)
    scale = np.float32(10.0) ** generator.uniform(-1.5, 1.5, (*size, 1)).astype(np.float32)
    flow = truth + scale * generator.normal(0, 1, (*size, 2)).astype(np.float32)
    valid = generator.random(size) < share
    valid.flat[0] = True
    return flow, truth, valid, generator.random(size) < 0.3


SCENES = [scene(size, seed) for seed, size in enumerate(SIZES)]


@pytest.fixture
def accuracy():
    return sum((accuracy_sums(*each) for each in SCENES), AccuracySums()).accuracy()


def errors(part=lambda length, occluded: np.ones_like(length, bool)):
    """Of all images in float64: end-point errors and lengths of true motion of the pixels of a part."""
    epe, lengths = [], []
    for flow, truth, valid, occluded in SCENES:
        difference = flow.astype(np.float64) - truth
        length = np.sqrt((truth.astype(np.float64) ** 2).sum(-1))
        chosen = valid & part(length, occluded)
        epe.append(np.sqrt((difference**2).sum(-1))[chosen])
        lengths.append(length[chosen])
    return epe, lengths


def test_pooled_figures_are_torchvisions(accuracy):
    """`_validate` of torchvision's reference: sums over all pixels over their number."""
    epe, lengths = map(np.concatenate, errors())
    everything = accuracy.everything
    assert everything.pixels == epe.size
    assert everything.epe == pytest.approx(epe.mean(), abs=1e-6)
    for name, limit in (("px1", 1), ("px3", 3), ("px5", 5)):
        assert getattr(everything, name) == pytest.approx((epe < limit).mean(), abs=1e-6)
    outlier = (epe > 3) & ((epe / lengths) > 0.05)
    assert everything.fl_all == pytest.approx(100 * outlier.mean(), abs=1e-6)


def test_the_mean_over_images_is_rafts(accuracy):
    """`validate_kitti` of RAFT: each image's mean first, then their mean."""
    epe, _ = errors()
    assert accuracy.image_epe == pytest.approx(np.mean([each.mean() for each in epe]), abs=1e-6)
    assert abs(accuracy.image_epe - accuracy.everything.epe) > 1e-3, "the two conventions must differ here"
    assert accuracy.images == len(SCENES)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("occluded", lambda length, occluded: occluded),
        ("visible", lambda length, occluded: ~occluded),
        ("s0_10", lambda length, occluded: length < 10),
        ("s10_40", lambda length, occluded: (length >= 10) & (length <= 40)),
        ("s40", lambda length, occluded: length > 40),
    ],
)
def test_parts(accuracy, name, part):
    epe = np.concatenate(errors(part)[0])
    metrics = getattr(accuracy, name)
    assert metrics.pixels == epe.size > 0
    assert metrics.epe == pytest.approx(epe.mean(), abs=1e-6)


def test_speed_bins_meet_at_their_limits():
    """GMFlow: below 10, from 10 to 40 with both ends, above 40."""
    truth = np.zeros((1, 4, 2), np.float32)
    truth[0, :, 0] = (np.nextafter(np.float32(10), np.float32(0)), 10, 40, np.nextafter(np.float32(40), 99))
    accuracy = accuracy_sums(truth, truth).accuracy()
    parts = (accuracy.s0_10, accuracy.s10_40, accuracy.s40)
    assert [part.pixels for part in parts if part] == [1, 2, 1]


def test_wauc_is_vipers(accuracy):
    epe = np.concatenate(errors()[0])
    shares = np.array([(epe <= step / 20).mean() for step in range(1, 101)])
    weights = np.array([1 - (step - 1) / 100 for step in range(1, 101)])
    assert accuracy.wauc == pytest.approx(100 * (shares * weights).sum() / weights.sum(), abs=1e-6)


def test_an_error_at_a_limit_of_wauc_counts():
    flow = np.zeros((1, 1, 2), np.float32)
    truth = np.full_like(flow, 0)
    flow[0, 0, 0] = 0.25
    assert accuracy_sums(flow, truth).wauc == (0,) * 4 + (1,) * 96


def test_error_by_displacement_adds_up_to_all(accuracy):
    epe, lengths = map(np.concatenate, errors())
    assert sum(each.pixels for each in accuracy.displacement) == epe.size
    for each in accuracy.displacement:
        chosen = (lengths >= each.low) & (lengths < (each.high or np.inf))
        assert each.pixels == np.count_nonzero(chosen)
        assert (each.epe is None) == (each.pixels == 0)
        if each.epe is not None:
            assert each.epe == pytest.approx(epe[chosen].mean(), rel=1e-6)


def test_order_and_grouping_change_no_digit():
    parts = [accuracy_sums(*each) for each in SCENES]
    left = sum(parts, AccuracySums())
    right = AccuracySums() + parts[3] + (parts[1] + (parts[0] + parts[2]))
    assert left == right
    assert left.accuracy() == right.accuracy()


def test_sums_survive_json_without_loss():
    sums = sum((accuracy_sums(*each) for each in SCENES), AccuracySums())
    assert AccuracySums.from_dict(json.loads(json.dumps(sums.to_dict()))) == sums


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: values.pop("wauc"),
        lambda values: values.update(wauc=[1, 2]),
        lambda values: values.update(image_epe="1/0"),
        lambda values: values.update(images=1.5),
        lambda values: values["everything"].pop("epe"),
        lambda values: values.update(bin_epe=None),
    ],
)
def test_damaged_sums_are_refused(damage):
    values = accuracy_sums(*SCENES[0]).to_dict()
    damage(values)
    with pytest.raises(InputError, match="no sums of flow errors"):
        AccuracySums.from_dict(values)


def test_unknown_occlusion_is_left_out():
    flow, truth, valid, _ = SCENES[0]
    accuracy = accuracy_sums(flow, truth, valid).accuracy()
    assert accuracy.occluded is None
    assert accuracy.visible is None


def test_an_image_without_truth_counts_nowhere(accuracy):
    """RAFT's mean of nothing is NaN and poisons every figure; ptlflow counts it as without error."""
    nothing = accuracy_sums(*SCENES[0][:2], np.zeros(SIZES[0], bool))
    assert nothing == AccuracySums(empty_images=1)
    parts = sum((accuracy_sums(*each) for each in SCENES), nothing)
    assert parts.accuracy().image_epe == accuracy.image_epe
    assert parts.accuracy().empty_images == 1
    with pytest.raises(InputError, match="the ground truth is empty"):
        nothing.accuracy()


def test_motion_zero_with_a_large_error_is_an_outlier():
    flow, truth = np.full((1, 1, 2), 4, np.float32), np.zeros((1, 1, 2), np.float32)
    assert accuracy_sums(flow, truth).accuracy().everything.fl_all == 100


def test_of_four_true_vectors_the_nearest_counts():
    """Spring: least error, motion as long as the longest for Fl and as their mean for the speed bins."""
    generator = np.random.default_rng(5)
    truth = generator.normal(0, 60, (2, 2, 9, 13, 2)).astype(np.float32)
    truth[0, 1, 2, 3] = np.nan  # one of the four
    truth[:, :, 4, 5] = np.nan  # all four
    flow = truth[1, 0] + generator.normal(0, 4, (9, 13, 2)).astype(np.float32)
    flow[4, 5] = 0
    accuracy = accuracy_sums(flow, truth[0, 0], subpixel_flow=truth).accuracy()
    four = truth.reshape(4, -1, 2).astype(np.float64)
    known = ~np.isnan(four).all((0, 2))
    epe = np.nanmin(np.linalg.norm(flow.reshape(-1, 2) - four, axis=-1)[:, known], axis=0)
    lengths = np.linalg.norm(four, axis=-1)[:, known]
    assert accuracy.everything.pixels == 9 * 13 - 1
    assert accuracy.everything.epe == pytest.approx(epe.mean(), abs=1e-6)
    outlier = (epe > 3) & (epe / np.nanmax(lengths, axis=0) > 0.05)
    assert accuracy.everything.fl_all == pytest.approx(100 * outlier.mean())
    assert accuracy.s40 is not None
    assert accuracy.s40.pixels == np.count_nonzero(np.nanmean(lengths, axis=0) > 40)


def test_predictions_that_are_not_finite_are_refused():
    flow, truth, valid, _ = scene((6, 7), 9)
    flow[0, 0] = np.nan
    with pytest.raises(InputError, match=r"not finite at 1 of \d+ valid pixels, first at column 0, row 0"):
        accuracy_sums(flow, truth, valid)
    with pytest.raises(InputError, match="not finite"):
        accuracy_sums(flow, truth, subpixel_flow=np.broadcast_to(truth, (2, 2, *truth.shape)))


def test_sub_pixel_flow_of_another_size_is_refused():
    flow, truth, *_ = SCENES[0]
    with pytest.raises(InputError, match="does not fit flow of shape"):
        accuracy_sums(flow, truth, subpixel_flow=np.zeros((2, 2, 3, 3, 2), np.float32))
