"""How much memory a pair of frames takes."""

from dinoflow_deploy.engines.base import EngineDescription
from dinoflow_deploy.models.memory_rule import MemoryRule
from dinoflow_deploy.models.registry import MODELS


def memory_rule(model: str, backend: str) -> MemoryRule | None:
    """What was measured of a model on a backend, on the CPU; ``None`` where nothing was.

    Args:
        model: Its name.
        backend: Likewise.
    """
    known = MODELS.get(model)
    return known.memory.get(backend) if known else None


def estimated_memory(engine: EngineDescription, height: int, width: int, batch: int = 1) -> int | None:
    """Memory that a pair of frames takes beside the loaded model, or so many at once.

    Args:
        engine: What computes.
        height: Height of the frames in pixels.
        width: Their width.
        batch: Pairs at once.

    Returns:
        Bytes; ``None`` where no rule was measured.

    Raises:
        InputError: The frames are outside the engine's range.
    """
    rule = memory_rule(engine.model, engine.backend)
    if rule is None or engine.device != "cpu" or engine.precision != "fp32":
        return None
    padding = engine.inputs.padding(height, width)
    return rule.bytes_for(padding.padded_height, padding.padded_width, batch)
