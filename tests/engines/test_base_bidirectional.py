"""Flow in both directions, by the built-in model on every engine that a CPU has."""

from collections.abc import Callable

import numpy as np
import pytest

from dinoflow_deploy import load_engine

MakeFrames = Callable[..., np.ndarray]


@pytest.mark.parametrize("backend", ["onnxruntime", "pytorch"])
def test_it_is_two_calls_within_rounding(backend: str, frames: MakeFrames) -> None:
    frame1, frame2 = frames(2, 61, 83)
    with load_engine("nano", backend, "cpu") as engine:
        forward, backward = engine.bidirectional(frame1, frame2)
        np.testing.assert_allclose(forward, engine(frame1, frame2), atol=1e-4)
        np.testing.assert_allclose(backward, engine(frame2, frame1), atol=1e-4)
    assert forward.shape == backward.shape == (61, 83, 2)
    assert np.abs(forward - backward).max() > 0.1
