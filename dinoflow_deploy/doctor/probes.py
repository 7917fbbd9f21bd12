"""What doctor and selftest try out, each in a process of its own since it may hang or crash."""

from functools import cache
from typing import Final

from dinoflow_deploy.engines.backend import Backend, Probe
from dinoflow_deploy.system.own_process import call_in_own_process

Outcome = dict[str, str | None]
"""The problem, or ``None``, by name of what was tried."""

_BUILTIN_MODEL: Final = f"{__name__}:builtin_model"


def builtin_model(name: str, bundle: str) -> Outcome:
    """Run a built-in model on the CPU, on a pair of 64x64 noise."""
    import numpy as np

    from dinoflow_deploy.engines import load_engine

    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    with load_engine(bundle, device="cpu") as engine:
        engine(frames[0], frames[1])
    return {name: None}


def try_backend(probe: Probe) -> Outcome:
    """Try a backend: the problem by name of each check; by the probe's title if it did not answer."""
    return _try(probe.title, probe.function)


def try_model(name: str, bundle: str) -> Outcome:
    """Try a built-in model: the problem by its name.

    Args:
        name: Its name.
        bundle: Where its bundle lies.
    """
    return _try(name, _BUILTIN_MODEL, name, bundle)


def device_problem(backend: Backend, device: str) -> str | None:
    """Why a backend that is installed does not work on a kind of device; ``None`` where it does.

    Args:
        backend: Which; it is tried once in a process.
        device: Of the backend's ``devices``.
    """
    check = backend.probe.checks.get(device) if backend.probe else None
    if backend.probe is None or check is None:
        return None
    found = _tried_once(backend.probe.title, backend.probe.function)
    # Under another name where the probe itself gave no answer.
    return found.get(check, "; ".join(filter(None, found.values())) or f"this build holds no {check}")


@cache
def _tried_once(title: str, function: str) -> Outcome:
    return _try(title, function)


def _try(title: str, function: str, *arguments: str) -> Outcome:
    answer, problem = call_in_own_process(function, *arguments)
    outcome: Outcome = {title: problem} if problem else answer
    return outcome
