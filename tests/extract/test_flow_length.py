import numpy as np
import pytest

from dinoflow_deploy.extract.flow_length import FlowLength


@pytest.mark.parametrize("percent", [1, 50, 99, 100])
def test_it_is_numpy_s_of_all_fields_at_once(percent: float) -> None:
    flows = np.random.default_rng(0).normal(0, 30, (5, 40, 50, 2)).astype(np.float32)
    counted = FlowLength()
    for flow in flows:
        counted.add(flow)
    length = np.linalg.norm(flows.astype(np.float64), axis=-1)
    assert counted.mean == pytest.approx(length.mean(), rel=1e-6)
    assert counted.percentile(percent) == pytest.approx(np.percentile(length, percent), abs=1 / 8)


def test_flow_that_is_longer_than_counted_is_at_the_end() -> None:
    counted = FlowLength()
    counted.add(np.full((2, 2, 2), 1e5, np.float32))
    assert counted.percentile(99) == 4096
    assert counted.mean == pytest.approx(2**0.5 * 1e5)
