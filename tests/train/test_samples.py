"""Which samples a step has, and that each depends on nothing but its place."""

import pickle
from collections import Counter

import numpy as np
import pytest

from dinoflow_deploy.datasets import FlyingChairs, FlyingThings
from dinoflow_deploy.train.augmentation import augmentation_preset
from dinoflow_deploy.train.samples import AugmentedPairs, Source
from tests.train.data_recipe import write_trees

CROP = {"crop_height": 48, "crop_width": 64}


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> list[Source]:
    root = write_trees(tmp_path_factory.mktemp("trees"))
    return [
        Source(FlyingChairs(root), augmentation_preset("chairs", **CROP)),
        Source(FlyingThings(root), augmentation_preset("things", **CROP), repeat=2),
    ]


def pairs(sources, **changes) -> AugmentedPairs:
    return AugmentedPairs(sources, **({"batch_size": 4, "seed": 3, "stage": 1} | changes))


def epoch_keys(samples: AugmentedPairs, epoch: int) -> list[tuple[int, int, int]]:
    first = epoch * samples.steps_per_epoch
    return [key for step in range(first, first + samples.steps_per_epoch) for key in samples.keys(step)]


def test_an_epoch_has_every_pair_as_often_as_said_but_for_the_incomplete_batch(sources) -> None:
    samples = pairs(sources)
    chairs, things = len(sources[0].dataset), len(sources[1].dataset)
    assert len(samples) == chairs + 2 * things
    whole = AugmentedPairs(sources, 1, 3, 1)
    names = Counter(whole[key].name for key in epoch_keys(whole, 0))
    assert {name: 1 for name in names if "chairs" in name}.items() <= names.items()
    assert sum(count for name, count in names.items() if "chairs" in name) == chairs
    assert [names[pair.name] for pair in sources[1].dataset.pairs] == [2] * things
    assert samples.steps_per_epoch == len(samples) // 4
    indices = [index for _, _, index in epoch_keys(samples, 0)]
    assert len(indices) == len(set(indices)) == samples.steps_per_epoch * 4


def test_epochs_stages_and_seeds_have_their_own_order(sources) -> None:
    def order(samples: AugmentedPairs, epoch: int = 0) -> list[int]:
        return [index for _, _, index in epoch_keys(samples, epoch)]

    orders = [order(pairs(sources)), order(pairs(sources), 1)]
    orders += [order(pairs(sources, stage=2)), order(pairs(sources, seed=4))]
    assert len({tuple(each) for each in orders}) == 4
    assert orders[0] == order(pairs(sources))
    # Mixed one by one: not one data set after the other.
    places = [place for place, index in enumerate(orders[0]) if index < len(sources[0])]
    assert min(places) < 12 < max(places)


def test_a_sample_is_its_keys_alone_and_no_stream_comes_twice(sources) -> None:
    samples, other = pairs(sources), pickle.loads(pickle.dumps(pairs(sources)))
    keys = epoch_keys(samples, 0)[:8]
    for key in keys:
        for name in ("frame1", "frame2", "flow", "valid"):
            np.testing.assert_array_equal(getattr(samples[key], name), getattr(other[key], name))
    # The same pair at another place or in another epoch is augmented otherwise.
    epoch, place, index = keys[0]
    frames = [samples[key].frame1 for key in (keys[0], (epoch, place + 1, index), (epoch + 1, place, index))]
    assert not np.array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[0], frames[2])
    states = {str(samples._generator(e, p).bit_generator.state) for e in range(20) for p in range(50)}
    assert len(states) == 1000


def test_the_fingerprint_tells_the_pairs_apart(sources) -> None:
    assert pairs(sources).fingerprint() == pairs(sources).fingerprint()
    assert pairs(sources).fingerprint() != pairs(sources[:1]).fingerprint()
