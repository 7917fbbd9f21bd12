import dataclasses

import numpy as np
import scipy

from dinoflow_deploy.train.augmentation import PRESETS
from dinoflow_deploy.train.augmentation.eraser import erase

SETTINGS = dataclasses.replace(PRESETS["things"], eraser_probability=1.0)
FRAME = np.random.default_rng(0).integers(0, 100, (300, 400, 3), np.uint8)
FRAME[..., 2] += 100


def erased_part(frame: np.ndarray) -> np.ndarray:
    return (frame != FRAME).any(axis=-1)


def test_half_of_the_frames_keep_all() -> None:
    generator = np.random.default_rng(0)
    settings = PRESETS["things"]
    kept = sum(erase(FRAME, settings, generator) is FRAME for _ in range(400))
    assert 160 < kept < 240


def test_rectangles_have_the_mean_color_and_their_sides() -> None:
    generator, sides, numbers = np.random.default_rng(1), [], []
    mean = np.rint(FRAME.reshape(-1, 3).mean(axis=0))
    before = FRAME.copy()
    for _ in range(300):
        frame = erase(FRAME, SETTINGS, generator)
        covered = erased_part(frame)
        assert (frame[covered] == mean).all()
        # Noise has the mean colour by chance at some pixels: close those holes.
        whole = scipy.ndimage.binary_closing(np.pad(covered, 2))[2:-2, 2:-2]
        pieces = scipy.ndimage.find_objects(scipy.ndimage.label(whole)[0])
        numbers.append(len(pieces))
        if len(pieces) == 1:
            rows, columns = pieces[0]
            if rows.stop < 300 and columns.stop < 400 and rows.start > 0 and columns.start > 0:
                sides += [rows.stop - rows.start, columns.stop - columns.start]
    np.testing.assert_array_equal(FRAME, before)
    assert set(numbers) == {1, 2}
    # Two that touch count as one, of at most twice the sides.
    assert min(sides) >= 49
    assert sum(side > 99 for side in sides) < 0.1 * len(sides)
    assert max(sides) <= 198
    assert 70 < np.median(sides) < 82


def test_every_place_can_be_covered() -> None:
    generator = np.random.default_rng(2)
    covered = sum(erased_part(erase(FRAME, SETTINGS, generator)).astype(int) for _ in range(600))
    # The first row and column belong to rectangles that begin there alone.
    assert covered[-1].any()
    assert covered[:, -1].any()
    # A pixel that has the mean colour already cannot be seen to be covered.
    mean = np.rint(FRAME.reshape(-1, 3).mean(axis=0))
    assert (covered > 0)[60:, 60:][(mean != FRAME).any(axis=-1)[60:, 60:]].all()
