import pytest

from dinoflow_deploy.train.learning_rate import LearningRate


def _rates(total: int, *, warmup_steps: int, decay_power: float = 1.0, first_step: int = 0) -> list[float]:
    rate = LearningRate(0.8, first_step, total, warmup_steps, decay_power)
    return [rate(first_step + step) for step in range(total)]


def test_a_schedule_may_begin_later():
    assert _rates(8, warmup_steps=4, first_step=100) == _rates(8, warmup_steps=4)


def test_linear_rise_then_linear_fall():
    expected = [0.2, 0.4, 0.6, 0.8, 0.8, 0.6, 0.4, 0.2]
    assert _rates(8, warmup_steps=4) == pytest.approx(expected)


def test_quadratic_fall():
    expected = [0.8, 0.8 * (3 / 4) ** 2, 0.8 / 4, 0.8 / 16]
    assert _rates(4, warmup_steps=0, decay_power=2.0) == pytest.approx(expected)


def test_power_zero_stays():
    assert _rates(3, warmup_steps=0, decay_power=0.0) == [0.8, 0.8, 0.8]


def test_a_single_step_after_the_warm_up_has_the_peak():
    assert _rates(3, warmup_steps=2) == pytest.approx([0.4, 0.8, 0.8])


def test_every_step_learns_and_none_above_the_peak():
    rates = _rates(1000, warmup_steps=100, decay_power=0.9)
    assert all(0 < rate <= 0.8 for rate in rates)
    assert rates[:100] == sorted(rates[:100])
    assert rates[100:] == sorted(rates[100:], reverse=True)
