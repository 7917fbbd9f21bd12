"""Scenes that torch draws: each by its index alone, with exact flow, and like those that NumPy renders."""

import dataclasses
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.datasets.scenes import textures
from dinoflow_deploy.datasets.scenes.layers import occlusion
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.train.torch_scenes import SceneBatch, SceneRenderer, renderer
from tests.datasets.warping import plain_config, warp_errors

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
EVERYTHING = SceneConfig(
    48,
    64,
    12,
    still_probability=0.1,
    camera_probability=0.2,
    bend_probability=0.5,
    lighting_probability=0.5,
    blur_probability=0.5,
    noise_probability=0.5,
)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def drawn(config: SceneConfig, seed: int = 1, patterns: int = 6, **options: Any) -> SceneRenderer:
    return SceneRenderer(config, seed, CPU, patterns=patterns, **options)


def arrays(batch: SceneBatch) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Frames, flow and occlusion of each pair, the last by the NumPy scenes' own rule."""
    pairs = []
    for place in range(len(batch.flow)):
        frame1, frame2, flow = (
            np.ascontiguousarray(tensor[place].permute(1, 2, 0).numpy())
            for tensor in (batch.frame1, batch.frame2, batch.flow)
        )
        hidden = occlusion(flow, batch.depth1[place].numpy(), batch.depth2[place].numpy())
        pairs.append((frame1, frame2, flow, hidden))
    return pairs


def assert_same(first: SceneBatch, second: SceneBatch, pairs: slice = slice(None)) -> None:
    for name in SceneBatch.__slots__:
        assert torch.equal(getattr(first, name)[pairs], getattr(second, name)), name


def test_a_batch_is_what_it_says() -> None:
    batch = drawn(EVERYTHING).batch(range(4))
    for frame in (batch.frame1, batch.frame2):
        assert (frame.shape, frame.dtype) == ((4, 3, 48, 64), torch.uint8)
        assert frame.is_contiguous()
        assert frame.float().std() > 10
    assert (batch.flow.shape, batch.flow.dtype) == ((4, 2, 48, 64), torch.float32)
    assert batch.flow.isfinite().all()
    assert (batch.depth1.shape, batch.depth1.dtype) == ((4, 48, 64), torch.uint8)
    assert 0 < batch.depth1.max() <= EVERYTHING.max_objects
    assert drawn(EVERYTHING, seed=7).name(3) == "synthetic-torch/seed=7/index=3"


def test_a_pair_is_its_seed_and_index_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = drawn(EVERYTHING)
    whole = scenes.batch(range(12))
    assert_same(whole, drawn(EVERYTHING).batch(range(12)))
    assert_same(whole, scenes.batch(range(5, 12)), slice(5, 12))
    for index in range(12):
        assert_same(whole, scenes.batch([index]), slice(index, index + 1))
    # As for frames so large that few are drawn at once.
    monkeypatch.setattr(renderer, "MOST_PIXELS", 48 * 64 * 5)
    assert_same(whole, scenes.batch(range(12)))


def test_seeds_and_indices_differ() -> None:
    frames = torch.cat([drawn(EVERYTHING, seed).batch([0, 1]).frame1 for seed in (1, 2, 2**32 + 1)]).float()
    differences = (frames[:, None] - frames[None]).abs().mean((2, 3, 4))
    assert (differences + 100 * torch.eye(6)).min() > 5


@pytest.mark.parametrize("kind", ["plain", "bend"])
def test_visible_pixels_match_along_the_flow(kind: str) -> None:
    options = {"bend_probability": 1.0} if kind == "bend" else {}
    scenes = drawn(plain_config(128, 128, 24, **options), patterns=24)
    visible, wrong, hidden = [], [], []
    for frame1, frame2, flow, occluded in arrays(scenes.batch(range(16))):
        visible.append(warp_errors(frame1, frame2, flow)[~occluded].mean())
        wrong.append(warp_errors(frame1, frame2, flow + 1)[~occluded].mean())
        hidden.append(warp_errors(frame1, frame2, flow)[occluded])
    # The NumPy scenes' limit, for bent ones too, since here they are not interpolated twice.
    assert np.mean(visible) < 1.6
    assert np.mean(wrong) > 3 * np.mean(visible)
    assert np.concatenate(hidden).mean() > 20


def test_what_does_not_move_has_no_flow_and_looks_the_same() -> None:
    for config in (plain_config(64, 64, 0), plain_config(64, 64, 12, still_probability=1.0)):
        batch = drawn(config).batch(range(6))
        assert not batch.flow.any()
        assert torch.equal(batch.frame1, batch.frame2)


def test_where_only_the_camera_moves_the_flow_is_one_affine_motion() -> None:
    config = plain_config(48, 64, 16, camera_probability=1.0, min_objects=6)
    y, x = np.mgrid[:48, :64].astype(float)
    terms = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1)
    for _, _, flow, _ in arrays(drawn(config).batch(range(6))):
        assert np.linalg.lstsq(terms, flow.reshape(-1, 2), rcond=None)[1].max() < 1e-4


def statistics(pairs: list[tuple[np.ndarray, ...]]) -> dict[str, float]:
    frames1, frames2, flows, hidden = (np.stack(each).astype(float) for each in zip(*pairs, strict=True))
    lengths = np.linalg.norm(flows, axis=-1)
    median, p95 = np.percentile(lengths, [50, 95])
    of_scenes = lengths.mean((1, 2))
    brightness = frames2.mean((1, 2, 3)) - frames1.mean((1, 2, 3))
    return {
        "mean": lengths.mean(),
        "median": median,
        "p95": p95,
        "largest": lengths.max(),
        "spread over scenes": of_scenes.std(),
        "hidden": hidden.mean(),
        "brightness": frames1.mean(),
        "contrast": frames1.std((1, 2)).mean(),
        "detail": np.abs(np.diff(frames1, axis=2)).mean(),
        "change of brightness": brightness.std(),
        "flow that leaps": (np.abs(np.diff(flows, axis=2)).max(-1) > 1).mean(),
    }


def test_scenes_are_like_those_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns, count = 24, 200
    monkeypatch.setattr(textures, "POOL_SIZE", patterns)
    config = SceneConfig(48, 64, 12, bend_probability=0.3, lighting_probability=0.3)
    rendered = [
        (scene.frame1, scene.frame2, scene.flow, scene.occluded)
        for scene in SyntheticScenes(config, 1, count)
    ]
    expected = statistics(rendered)
    found = statistics(arrays(drawn(config, patterns=patterns).batch(range(count))))
    # Two standard deviations of means over so many scenes, whose own deviation is 0.75 of the mean at most.
    tolerance = 2 * 0.75 * np.sqrt(2 / count)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=tolerance), name


@pytest.mark.parametrize(("height", "width"), [(16, 16), (33, 47), (17, 150)])
def test_tiny_and_odd_sizes(height: int, width: int) -> None:
    config = SceneConfig(height, width, 16, bend_probability=1, lighting_probability=1, blur_probability=1)
    batch = drawn(config).batch(range(6))
    assert batch.frame1.shape == batch.frame2.shape == (6, 3, height, width)
    assert batch.flow.isfinite().all()


def test_no_objects_and_many() -> None:
    assert not drawn(SceneConfig(32, 32, 8, 0, 0)).batch(range(3)).depth1.any()
    assert drawn(SceneConfig(32, 32, 8, 200, 200)).batch(range(1)).depth1.max() > 190


class _Operations(TorchDispatchMode):
    count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return function(*args, **(kwargs or {}))


def test_operations_do_not_grow_with_the_batch_and_no_value_is_waited_for() -> None:
    """On the device ``meta`` there are no values: to ask for one is an error."""
    config = dataclasses.replace(EVERYTHING, max_objects=3)
    scenes = SceneRenderer(config, 1, torch.device("meta"), patterns=1)
    counts = []
    for pairs in (40, 160):
        with _Operations() as operations:
            scenes.batch(range(pairs))
        counts.append(operations.count)
    assert counts[0] == counts[1]


def test_photographs_take_their_share_and_keep_their_looks(tmp_path) -> None:
    rng = np.random.default_rng(0)
    red = np.zeros((600, 300, 3), np.uint8)
    red[..., 2] = rng.integers(120, 256, red.shape[:2])
    cv2.imwrite(str(tmp_path / "red.png"), red)
    tiny = np.full((40, 33), 200, np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), tiny)
    config = plain_config(64, 64, 8)
    frames = drawn(config, photographs=tmp_path, photograph_cuts=4).batch(range(8)).frame1.float()
    # Red or grey, up to the tint.
    assert (frames[:, 0] > frames[:, 1:].amax(1) - 45).double().mean() > 0.97
    half = drawn(plain_config(64, 64, 8, photograph_probability=0.5), photographs=tmp_path, photograph_cuts=4)
    coloured = half.batch(range(60)).frame1.float()
    greenish = (coloured[:, 1] > coloured[:, 0] + 45).double().mean((1, 2)) > 0.1
    assert 4 < greenish.sum() < 40


def test_wrong_seed_and_photographs_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="seed is -1; give 0 or more"):
        drawn(EVERYTHING, seed=-1)
    with pytest.raises(InputError, match="holds no photograph"):
        drawn(EVERYTHING, photographs=tmp_path)
