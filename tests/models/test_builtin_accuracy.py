"""What the shipped models make of photographs that they have never seen: as a user would try them first."""

import sys

import numpy as np
import pytest

from dinoflow_deploy import load_engine
from dinoflow_deploy.datasets import FlowSample
from dinoflow_deploy.engines import FlowEngine
from tests.benchmarks.test_scripts import SCRIPTS

sys.path.insert(0, str(SCRIPTS))
from photographs import NOISE, SHIFTS, shifted_photographs, still_photographs

pytestmark = pytest.mark.slow

pytest.importorskip("skimage")

# Px, with a tenth to spare: README's table has the figures. Zero flow has 2 and 5.83 px.
SHIFTED = {"nano": {(2, 0): 0.72, (5, 3): 1.3}, "small": {(2, 0): 0.8, (5, 3): 1.25}}


@pytest.fixture(scope="module", params=SHIFTED)
def engine(request: pytest.FixtureRequest):
    with load_engine(request.param, device="cpu") as engine:
        yield engine


def mean_error(engine: FlowEngine, samples: list[FlowSample]) -> float:
    return float(
        np.mean([np.linalg.norm(engine(s.frame1, s.frame2) - s.flow, axis=-1).mean() for s in samples])
    )


@pytest.mark.parametrize("noise", [0.0, NOISE])
def test_identical_photographs_do_not_move(engine: FlowEngine, noise: float) -> None:
    assert mean_error(engine, list(still_photographs(noise=noise))) <= 0.05


@pytest.mark.parametrize("shift", SHIFTS)
def test_shifted_photographs_move_about_as_much(engine: FlowEngine, shift: tuple[int, int]) -> None:
    error = mean_error(engine, list(shifted_photographs(shift)))
    assert error <= SHIFTED[engine.describe().model][shift]
