"""Whether frames of a size fit the memory of this machine, asked before the first pair."""

from typing import Final

from dinoflow_deploy.engines import EngineDescription
from dinoflow_deploy.engines.memory_estimate import estimated_memory
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.system.available_memory import available_memory
from dinoflow_deploy.video.frame_source import fitted_size

_SURE: Final = 0.9
"""Share of the estimate that is needed for certain: what might fit is not refused."""
_MUCH: Final = 0.5
"""Share of the available memory from which the user is told."""
_STEP: Final = 16
_GIB: Final = 2**30


def check_memory(engine: EngineDescription, width: int, height: int, batch: int = 1) -> str | None:
    """Refuse frames that this machine has no memory for.

    Args:
        engine: What computes.
        width: Width of the frames that it is given, in pixels.
        height: Their height.
        batch: Pairs that it is given at once.

    Returns:
        What to tell the user where it takes much of the available memory; ``None`` otherwise, and where it is
        not known how much it takes.

    Raises:
        InputError: It does not fit, or the frames are outside the engine's range.
    """
    needed = estimated_memory(engine, height, width, batch)
    if needed is None:
        return None
    available = available_memory()
    at_once = f" in batches of {batch}" if batch > 1 else ""
    what = (
        f"{engine.model} takes about {needed / _GIB:.2g} GiB of memory for frames of {width}x{height}"
        f"{at_once}, of {available / _GIB:.2g} available"
    )
    if needed * _SURE > available:
        raise InputError(f"{what}: {_way_out(engine, width, height, batch, available)}")
    less = "a smaller batch or --max-side" if batch > 1 else "--max-side"
    return f"{what}; {less} takes less" if needed > _MUCH * available else None


def _way_out(engine: EngineDescription, width: int, height: int, batch: int, available: int) -> str:
    fitting = available // (estimated_memory(engine, height, width) or 1)
    if 1 <= fitting < batch:
        return f"take a batch of at most {fitting}, or free some"
    for side in range(max(width, height) // _STEP * _STEP, 0, -_STEP):
        smaller_width, smaller_height = fitted_size(width, height, side)
        if min(smaller_width, smaller_height) < _STEP:
            break
        if (estimated_memory(engine, smaller_height, smaller_width) or 0) <= available:
            return f"shrink them (video: --max-side {side} --full-size), or free some"
    return "free some"
