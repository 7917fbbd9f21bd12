import multiprocessing
import pickle

import cv2
import numpy as np
import pytest

from dinoflow_deploy.datasets import FlowSample, SceneConfig, SyntheticScenes
from dinoflow_deploy.errors import InputError
from tests.datasets.warping import assert_same, plain_config, warp_errors

pytestmark = pytest.mark.slow

SMALL = SceneConfig(64, 80, 12)


def _render_elsewhere(scenes: SyntheticScenes, index: int, threads: int) -> FlowSample:
    cv2.setNumThreads(threads)
    return scenes[index]


def test_sample_is_what_the_type_promises() -> None:
    sample = SyntheticScenes(SMALL, seed=1, length=200)[123]
    assert sample.name == "synthetic/seed=1/index=123"
    for frame in (sample.frame1, sample.frame2):
        assert frame.shape == (64, 80, 3)
        assert frame.dtype == np.uint8
    assert sample.flow.shape == (64, 80, 2)
    assert sample.flow.dtype == np.float32
    assert np.isfinite(sample.flow).all()
    assert sample.valid.shape == (64, 80)
    assert sample.valid.all()
    assert sample.occluded is not None
    assert sample.occluded.dtype == np.bool_


def test_order_does_not_matter() -> None:
    forwards, backwards = SyntheticScenes(SMALL, 1, 6), SyntheticScenes(SMALL, 1, 6)
    expected = [forwards[index] for index in range(6)]
    for index in reversed(range(6)):
        assert_same(backwards[index], expected[index])
    assert_same(forwards[-1], expected[5])


def test_other_processes_and_thread_counts_render_the_same() -> None:
    scenes = SyntheticScenes(SceneConfig(128, 128, 24, noise_probability=1, blur_probability=1), 1, 4)
    expected = [scenes[index] for index in range(4)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        jobs = [(scenes, index, 1 + index % 2) for index in range(4)]
        for sample, other in zip(expected, pool.starmap(_render_elsewhere, jobs, chunksize=1), strict=True):
            assert_same(sample, other)


def test_pickle_leaves_the_patterns_behind() -> None:
    scenes = SyntheticScenes(SMALL, 1, 4)
    sample = scenes[0]
    packed = pickle.dumps(scenes)
    assert len(packed) < 2000
    assert_same(pickle.loads(packed)[0], sample)


def test_length_does_not_change_samples() -> None:
    assert_same(SyntheticScenes(SMALL, 1, 3)[1], SyntheticScenes(SMALL, 1, 10**9)[1])


def test_seeds_and_indices_differ() -> None:
    samples = [SyntheticScenes(SMALL, seed, 2)[index] for seed in (1, 2, 2**32 + 1) for index in (0, 1)]
    for position, sample in enumerate(samples):
        for other in samples[:position]:
            assert np.abs(sample.frame1.astype(int) - other.frame1).mean() > 5
            assert not np.array_equal(sample.flow, other.flow)


@pytest.mark.parametrize(("height", "width", "max_motion"), [(128, 128, 24.0), (256, 256, 32.0)])
def test_visible_pixels_match_along_the_flow(height: int, width: int, max_motion: float) -> None:
    # Measured over 60 scenes: visible 1.4 grey levels at 128x128 and 0.9 at 256x256 (0.5 away from the
    # rims of objects, which are blended with what is behind them), occluded 90.
    scenes = SyntheticScenes(plain_config(height, width, max_motion), 1, 20)
    visible, occluded = [], []
    for sample in scenes:
        assert sample.occluded is not None
        errors = warp_errors(sample.frame1, sample.frame2, sample.flow)
        visible.append(errors[~sample.occluded].mean())
        occluded.append(errors[sample.occluded])
    assert np.mean(visible) < 1.6
    assert np.concatenate(occluded).mean() > 30


def test_wrong_flow_does_not_match() -> None:
    sample = SyntheticScenes(plain_config(128, 128, 24), 1, 1)[0]
    assert sample.occluded is not None
    right = warp_errors(sample.frame1, sample.frame2, sample.flow)[~sample.occluded].mean()
    wrong = warp_errors(sample.frame1, sample.frame2, sample.flow + 1)[~sample.occluded].mean()
    assert wrong > 3 * right


def test_occlusion_agrees_with_forward_splatting() -> None:
    """Two pixels of frame 1 that land on one of frame 2 with different motions cannot both be visible."""
    hidden = explained = visible = clashes = 0
    for sample in SyntheticScenes(plain_config(128, 128, 24), 1, 20):
        assert sample.occluded is not None
        y, x = np.mgrid[:128, :128]
        target = np.rint(np.stack([x, y], axis=-1) + sample.flow).astype(int)
        inside = ((target >= 0) & (target < 128)).all(axis=-1)
        seen = ~sample.occluded
        assert inside[seen].all()
        landed = np.full((128, 128, 2), np.nan, np.float32)
        landed[target[seen][:, 1], target[seen][:, 0]] = sample.flow[seen]
        for chosen in (seen, sample.occluded & inside):
            there = landed[target[chosen][:, 1], target[chosen][:, 0]]
            other = np.linalg.norm(there - sample.flow[chosen], axis=-1) > 1.5
            if chosen is seen:
                visible, clashes = visible + chosen.sum(), clashes + other.sum()
            else:
                hidden, explained = hidden + chosen.sum(), explained + other.sum()
    assert clashes / visible < 0.02
    # The rest is covered by what entered the frame, or by what was itself hidden in frame 1.
    assert explained / hidden > 0.6


def test_no_motion_is_no_flow() -> None:
    for sample in SyntheticScenes(plain_config(64, 64, 0), 1, 10):
        assert not sample.flow.any()
        assert sample.occluded is not None
        assert not sample.occluded.any()
        np.testing.assert_array_equal(sample.frame1, sample.frame2)


def test_motion_uses_its_range() -> None:
    lengths = np.concatenate(
        [np.linalg.norm(sample.flow, axis=-1).ravel() for sample in SyntheticScenes(SMALL, 1, 150)]
    )
    assert 12 / 5 < lengths.mean() < 12 / 2.5
    assert np.percentile(lengths, 99) > 0.8 * 12
    # Translation, and rotation and scale of the object's rim and of the background, at most add up so.
    assert lengths.max() < 3 * 12


def test_background_alone_is_one_affine_motion() -> None:
    sample = SyntheticScenes(plain_config(48, 64, 16, min_objects=0, max_objects=0), 1, 1)[0]
    y, x = np.mgrid[:48, :64].astype(float)
    terms = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1)
    residual = np.linalg.lstsq(terms, sample.flow.reshape(-1, 2), rcond=None)[1]
    assert residual.max() < 1e-4


@pytest.mark.parametrize(("height", "width"), [(16, 16), (33, 47), (17, 300)])
def test_tiny_and_odd_sizes(height: int, width: int) -> None:
    for sample in SyntheticScenes(SceneConfig(height, width, 16), 1, 20):
        assert sample.frame1.shape == sample.frame2.shape == (height, width, 3)
        assert sample.flow.shape == (height, width, 2)


def test_frames_larger_than_the_patterns() -> None:
    sample = SyntheticScenes(plain_config(700, 900, 64), 1, 1)[0]
    assert sample.occluded is not None
    errors = warp_errors(sample.frame1, sample.frame2, sample.flow)
    assert errors[~sample.occluded].mean() < 1.6


def test_wrong_seed_length_and_index_are_refused() -> None:
    with pytest.raises(InputError, match="seed is -1; give 0 or more"):
        SyntheticScenes(SMALL, -1, 5)
    with pytest.raises(InputError, match="length is -2"):
        SyntheticScenes(SMALL, 0, -2)
    scenes = SyntheticScenes(SMALL, 0, 5)
    assert len(scenes) == 5
    for index in (5, -6):
        with pytest.raises(IndexError, match="5 scenes"):
            scenes[index]


@pytest.mark.parametrize("kind", ["still", "camera"])
def test_share_of_still_and_of_camera_scenes(kind: str) -> None:
    # Objects enough that one of them moves on its own where any does.
    options = {f"{kind}_probability": 0.5, "static_probability": 0.0}
    config = SceneConfig(64, 80, 12, min_objects=4, max_objects=6, **options)
    alone = 0
    for sample in SyntheticScenes(config, 5, 60):
        u = sample.flow[..., 0]
        # Flow of the background, one affine motion, has no bend anywhere.
        straight = (
            np.abs(np.diff(u, n=2, axis=1)).max() < 1e-3 and np.abs(np.diff(u, n=2, axis=0)).max() < 1e-3
        )
        alone += bool(straight if kind == "camera" else not sample.flow.any())
    assert 18 < alone < 42


def test_scenes_without_the_rarer_kinds_stay_as_they_were() -> None:
    rare = {f"{kind}_probability": 0.0 for kind in ("still", "camera", "bend", "lighting")}
    assert_same(SyntheticScenes(SceneConfig(64, 80, 12, **rare), 1, 3)[2], SyntheticScenes(SMALL, 1, 3)[2])
