"""TensorRT's progress as one bar, and the way to cancel a build."""

from threading import Event, Lock
from types import ModuleType
from typing import Any

from dinoflow_deploy.progress import Progress

PERCENT = 100.0


class Phases:
    """TensorRT's nested phases flattened to one fraction.

    A phase has a number of steps, and any step may be a phase of its own. Steps of one phase count alike, and
    what is shown never goes back.

    Args:
        progress: Told of the percentage; its stage has been started with a total of 100.
        cancel: Ends the build at the next step once it is set.
    """

    def __init__(self, progress: Progress, cancel: Event) -> None:
        self._progress, self._cancel = progress, cancel
        # TensorRT may report from several threads.
        self._lock = Lock()
        self._open: dict[str, _Phase] = {}
        self._shown = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase begins, within another one or none."""
        with self._lock:
            self._open[name] = _Phase(parent, max(steps, 1))

    def step(self, name: str, step: int) -> bool:
        """A step is done, counted from 0; whether the build is to go on."""
        with self._lock:
            phase = self._open.get(name)
            if phase is not None:
                phase.done = min(step + 1, phase.steps)
                self._show(PERCENT * self._fraction(phase))
        return not self.is_cancelled

    @property
    def is_cancelled(self) -> bool:
        """Whether the build is to end."""
        return self._cancel.is_set()

    def finish(self, name: str) -> None:
        """A phase ends, whether it was completed or not."""
        with self._lock:
            self._open.pop(name, None)

    def complete(self) -> None:
        """The build has succeeded."""
        with self._lock:
            self._show(PERCENT)

    def _show(self, percent: float) -> None:
        if percent > self._shown:
            self._progress.advance(percent - self._shown)
            self._shown = percent

    def _fraction(self, phase: "_Phase") -> float:
        fraction = phase.done / phase.steps
        while phase.parent in self._open:
            phase = self._open[phase.parent]
            fraction = (phase.done + fraction) / phase.steps
        return min(fraction, 1.0)


class _Phase:
    def __init__(self, parent: str | None, steps: int) -> None:
        self.parent, self.steps, self.done = parent, steps, 0


def progress_monitor(trt: ModuleType, phases: Phases) -> Any:
    """What ``IBuilderConfig.progress_monitor`` takes."""

    # The class can only be written where the module is at hand. Method and argument names are TensorRT's.
    class Monitor(trt.IProgressMonitor):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            phases.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return phases.step(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            phases.finish(phase_name)

    return Monitor()
