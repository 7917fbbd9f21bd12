"""TensorRT's nested phases as one percentage."""

from threading import Event

import pytest

from dinoflow_deploy.export.tensorrt.monitor import Phases
from tests.export.tensorrt.conftest import Recorder


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_a_phase_within_a_step_is_a_part_of_it(recorder: Recorder) -> None:
    phases = Phases(recorder, Event())
    phases.start("build", None, 2)
    phases.start("time", "build", 5)
    for step in range(5):
        assert phases.step("time", step)
    phases.finish("time")
    assert recorder.amounts == pytest.approx([10] * 5)
    assert phases.step("build", 0)
    assert sum(recorder.amounts) == pytest.approx(50)
    phases.start("time", "build", 1)
    phases.start("tactic", "time", 2)
    phases.step("tactic", 0)
    assert sum(recorder.amounts) == pytest.approx(75)


def test_what_is_shown_never_goes_back_nor_beyond_the_end(recorder: Recorder) -> None:
    phases = Phases(recorder, Event())
    phases.start("build", None, 4)
    phases.step("build", 2)
    # Another thread's phase, behind; steps that were not announced; a phase that is not open, or empty.
    phases.start("other", None, 10)
    phases.step("other", 0)
    phases.step("other", 99)
    phases.step("unknown", 3)
    phases.start("empty", "build", 0)
    phases.finish("empty")
    phases.finish("unknown")
    phases.complete()
    phases.complete()
    assert all(amount > 0 for amount in recorder.amounts)
    assert sum(recorder.amounts) == pytest.approx(100)


def test_a_set_event_ends_the_build(recorder: Recorder) -> None:
    cancel = Event()
    phases = Phases(recorder, cancel)
    phases.start("build", None, 2)
    assert phases.step("build", 0)
    cancel.set()
    assert not phases.step("build", 1)
    assert phases.is_cancelled
