"""The learning rate as a function of the step alone, so that nothing of it needs saving."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LearningRate:
    """Linear warm-up, then polynomial decay.

    Attributes:
        peak: Highest rate.
        first_step: Step at which it begins.
        steps: How many there are.
        warmup_steps: Steps of linear rise from 0; fewer than ``steps``.
        decay_power: The rate falls as ``(1 - progress) ** decay_power`` to 0 after the last step.
    """

    peak: float
    first_step: int
    steps: int
    warmup_steps: int
    decay_power: float

    def __call__(self, step: int) -> float:
        """Rate of a step, counted from the first of the run."""
        done = step - self.first_step
        if done < self.warmup_steps:
            return self.peak * (done + 1) / self.warmup_steps
        progress = (done - self.warmup_steps) / (self.steps - self.warmup_steps)
        return float(self.peak * (1.0 - progress) ** self.decay_power)
