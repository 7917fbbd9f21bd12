"""The learning rate as a function of the step alone, so that nothing of it needs saving."""

from dinoflow_deploy.train.recipe import OptimizerSection


def learning_rate(step: int, total_steps: int, optimizer: OptimizerSection) -> float:
    """Rate of step ``step`` (from 0): linear warm-up, then polynomial decay to 0 after the last step."""
    if step < optimizer.warmup_steps:
        return optimizer.learning_rate * (step + 1) / optimizer.warmup_steps
    progress = (step - optimizer.warmup_steps) / (total_steps - optimizer.warmup_steps)
    return float(optimizer.learning_rate * (1.0 - progress) ** optimizer.decay_power)
