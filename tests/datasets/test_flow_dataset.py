from dinoflow_deploy.datasets.flow_dataset import spread_evenly


def test_a_limit_is_spread_evenly():
    assert list(spread_evenly(10, None)) == list(range(10))
    assert list(spread_evenly(10, 20)) == list(range(10))
    assert list(spread_evenly(10, 4)) == [0, 2, 5, 7]
    assert len(set(spread_evenly(1041, 100))) == 100
