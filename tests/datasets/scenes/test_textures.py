import numpy as np
import pytest

from dinoflow_deploy.datasets.scenes.patterns import PATTERNS
from dinoflow_deploy.datasets.scenes.textures import PATTERN_SIDE, TexturePool, texture_pool


@pytest.mark.parametrize("make", list(dict.fromkeys(PATTERNS)), ids=lambda make: make.__name__)
def test_patterns_are_never_flat(make) -> None:  # type: ignore[no-untyped-def]
    for seed in range(3):
        pattern = make(np.random.default_rng(seed), 128)
        assert pattern.shape == (128, 128)
        assert pattern.dtype == np.float32
        assert np.isfinite(pattern).all()
        assert pattern.std() > 0.01


def test_pool_depends_on_its_seed_alone() -> None:
    first, same, other = TexturePool(4), TexturePool(4), TexturePool(5)
    same.pattern(9)
    np.testing.assert_array_equal(first.pattern(3), same.pattern(3))
    assert not np.array_equal(first.pattern(3), other.pattern(3))
    assert not np.array_equal(first.pattern(3), first.pattern(4))


@pytest.mark.parametrize("kind", ["texture", "collage"])
def test_textures_have_the_size_asked_for_up_to_the_patterns(kind: str) -> None:
    pool = texture_pool(1)
    make = getattr(pool, kind)
    assert make(np.random.default_rng(0), 20, 33).shape == (20, 33, 3)
    assert make(np.random.default_rng(0), 600, 100).shape == (PATTERN_SIDE, 100, 3)


def test_textures_vary_in_colour_and_keep_contrast() -> None:
    pool, rng = texture_pool(1), np.random.default_rng(0)
    textures = np.stack([pool.texture(rng, 128, 128) for _ in range(40)]).astype(float)
    assert textures.mean(axis=(1, 2)).std(axis=0).min() > 20
    assert np.median(textures.std(axis=(1, 2)).max(axis=-1)) > 20
