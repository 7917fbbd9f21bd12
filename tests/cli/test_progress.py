import contextlib
import io

import pytest
from rich.console import Console

from dinoflow_deploy.cli import progress as progress_module
from dinoflow_deploy.cli.progress import TerminalProgress
from dinoflow_deploy.progress import counted


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves when told."""

    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(progress_module, "time", clock)
    return clock


def plain() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_without_a_terminal_a_line_every_ten_seconds(clock):
    console = plain()
    with TerminalProgress(console) as progress:
        progress.start("flow", 100, "frames")
        for _ in range(25):
            clock.now += 1
            progress.advance(epe=0.5)
        progress.finish()
    lines = console.file.getvalue().splitlines()
    assert lines == [
        "flow: 100 frames",
        "flow: 10/100 frames, 10 s, 90 s left, 1 frames/s  epe 0.5",
        "flow: 20/100 frames, 20 s, 80 s left, 1 frames/s  epe 0.5",
        "flow: 25/100 frames, 25 s, 75 s left, 1 frames/s  epe 0.5",
    ]


def test_without_a_terminal_no_line_is_said_twice(clock):
    console = plain()
    with TerminalProgress(console) as progress:
        progress.start("comparing", 3, "shapes")
        clock.now += 13
        progress.advance(3)
    assert console.file.getvalue().splitlines() == [
        "comparing: 3 shapes",
        "comparing: 3/3 shapes, 13 s, 0.231 shapes/s",
    ]


def test_a_stage_that_counts_nothing_has_its_time_alone(clock):
    console = plain()
    with TerminalProgress(console) as progress:
        progress.start("tracing", None, "")
        clock.now += 0.84
        progress.start("simplifying", None, "")
        clock.now += 12
    assert console.file.getvalue().splitlines() == [
        "tracing: started",
        "tracing: 0.8 s",
        "simplifying: started",
        "simplifying: 12.0 s",
    ]


def test_on_a_terminal_a_stage_that_counts_nothing_has_its_time_alone():
    console = Console(file=io.StringIO(), width=160, force_terminal=True, no_color=True)
    with TerminalProgress(console) as progress:
        progress.start("tracing", None, "")
    shown = console.file.getvalue()
    assert "tracing" in shown
    assert "0:00:00" in shown
    assert "left" not in shown
    assert "/s" not in shown
    assert "/?" not in shown


def test_one_of_a_thing_is_not_many():
    console = plain()
    with TerminalProgress(console) as progress:
        progress.start("flow", 1, "frames")
        progress.advance()
        progress.start("flow", None, "frames")
        progress.advance(2)
    begun, done, _, open_end = console.file.getvalue().splitlines()
    assert begun == "flow: 1 frame"
    assert done.startswith("flow: 1/1 frame, ")
    assert open_end.startswith("flow: 2 frames, ")


def test_percent_without_a_terminal(clock):
    console = plain()
    with TerminalProgress(console) as progress:
        progress.start("building", 100, "%")
        clock.now += 5
        progress.advance(250 / 3)
    assert console.file.getvalue().splitlines() == [
        "building: started",
        "building: 83.3/100 %, 5 s, 16.7 %/s",
    ]


def test_the_time_left_does_not_count_what_is_done_once(clock):
    """Loaders start and kernels are chosen within the first step: 12 s, where each other takes half a one."""
    console = plain()
    with TerminalProgress(console) as progress:
        progress.start("training", 1600, "steps")
        clock.now += 12
        progress.advance()
        for _ in range(20):
            clock.now += 0.5
            progress.advance()
    assert console.file.getvalue().splitlines()[1:] == [
        "training: 1/1600 steps, 12 s, 0.0833 steps/s",
        "training: 21/1600 steps, 22 s, 790 s left, 0.955 steps/s",
    ]


def test_a_burst_is_no_rate(clock):
    console = plain()
    with TerminalProgress(console) as progress:
        progress.start("flow", 100, "frames")
        clock.now += 12
        for _ in range(4):
            progress.advance()
            clock.now += 0.01
    assert console.file.getvalue().splitlines()[-1] == "flow: 4/100 frames, 12 s, 0.332 frames/s"


def test_unknown_total_and_notes_without_a_terminal(clock):
    console = plain()
    with TerminalProgress(console) as progress:
        progress.start("camera", None, "frames")
        clock.now += 2
        progress.advance(4)
        progress.note("[frame 3] is damaged")
    assert console.file.getvalue().splitlines() == [
        "camera: started",
        "[frame 3] is damaged",
        "camera: 4 frames, 2 s, 2 frames/s",
    ]


def test_on_a_terminal_a_bar_with_count_rate_and_figures():
    console = Console(file=io.StringIO(), width=160, force_terminal=True, no_color=True)
    with TerminalProgress(console) as progress:
        progress.start("flow", 3, "frames")
        for _ in range(3):
            progress.advance(epe=0.25)
        progress.note("a line that stays")
    shown = console.file.getvalue()
    assert "3/3" in shown
    assert "frames/s" in shown
    assert "epe 0.25" in shown
    assert "a line that stays" in shown


def test_the_bar_ends_when_the_work_raises():
    console = Console(file=io.StringIO(), width=160, force_terminal=True)
    with contextlib.suppress(ValueError), TerminalProgress(console) as progress:
        progress.start("flow", 3, "frames")
        raise ValueError("stop")
    assert "\x1b[?25h" in console.file.getvalue(), "the cursor stays hidden"


def test_large_counts_are_written_out() -> None:
    assert [counted(number, "frames") for number in (1, 2, 1234567)] == [
        "1 frame",
        "2 frames",
        "1234567 frames",
    ]
