"""The photographs that models learn from, and those that they are judged by."""

import re
from pathlib import Path

import numpy as np
import pytest

import photographs
from photographs import HELD_OUT, SHIFTS, TRAINING, shifted_photographs, still_photographs

ROOT = Path(photographs.__file__).parents[1]


def test_what_is_learned_from_is_never_judged_by() -> None:
    learned = {name for names in TRAINING.values() for name in names}
    judged = {name for names in HELD_OUT.values() for name in names}
    assert learned
    assert judged
    assert not learned & judged
    assert not any("motorcycle" in name for name in learned)


def test_no_other_photograph_is_used_anywhere() -> None:
    """What tests and benchmarks take from skimage.data by name is held out as well."""
    learned = {Path(name).stem for names in TRAINING.values() for name in names}
    for folder in ("tests", "benchmarks", "dinoflow_deploy"):
        for path in (ROOT / folder).rglob("*.py"):
            if path == Path(photographs.__file__):
                continue
            text = path.read_text()
            if "skimage" in text or "sklearn" in text:
                used = set(re.findall(r"(?:data|image)\W+(\w+)", text)) & learned
                assert not used, f"{path} uses {used}, which models learn from"


@pytest.mark.parametrize("library", TRAINING)
def test_the_files_are_there(library: str) -> None:
    pytest.importorskip(library)
    for name in (*TRAINING[library], *HELD_OUT.get(library, ())):
        assert photographs.photograph_file(library, name).is_file()


@pytest.mark.parametrize("shift", SHIFTS)
def test_shifted_parts_match_along_the_flow(shift: tuple[int, int]) -> None:
    right, down = shift
    for sample in shifted_photographs(shift):
        assert sample.frame1.shape[0] % 16 == sample.frame1.shape[1] % 16 == 0
        assert (sample.flow == [right, down]).all()
        height, width = sample.frame1.shape[:2]
        kept = sample.frame1[: height - down, : width - right]
        np.testing.assert_array_equal(sample.frame2[down:, right:], kept)


def test_noise_is_in_the_second_frame_alone() -> None:
    for plain, noisy in zip(still_photographs(), still_photographs(noise=5.0), strict=True):
        np.testing.assert_array_equal(plain.frame1, plain.frame2)
        np.testing.assert_array_equal(plain.frame1, noisy.frame1)
        assert 2 < np.abs(noisy.frame2.astype(int) - noisy.frame1).mean() < 5
        assert not noisy.flow.any()
