"""What goes wrong between client and server: what is tried again, and how the rest is said."""

import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from tritonclient.utils import InferenceServerException

from dinoflow_deploy.errors import EngineError, InputError

Answer = TypeVar("Answer")

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_UNAVAILABLE: Final = "StatusCode.UNAVAILABLE"
_TIMED_OUT: Final = "StatusCode.DEADLINE_EXCEEDED"
_REFUSED: Final = "StatusCode.INVALID_ARGUMENT"
# Triton's own words: these statuses mean other things too.
_NO_MODEL: Final = "unknown model"
_STARTING: Final = (
    *("not ready", "ready state", _NO_MODEL, "not healthy"),
    "Unable to find shared memory region",
)
"""Of the server, of the model or its network, of a process of the front; and what a restart forgot."""


def retried(call: Callable[[], Answer], server: str, timeout: float, retry_for: float) -> Answer:
    """Ask, and ask again while the server restarts: a pair of frames has one flow, however often it is sent.

    Args:
        call: Asks once.
        server: Of whom, for errors.
        timeout: Seconds that one answer may take, for errors.
        retry_for: Seconds after which no further attempt begins.

    Raises:
        InputError: The server refused what was sent.
        EngineError: It failed, did not answer in time, or was not there for so long.
    """
    began, pauses = time.monotonic(), _pauses()
    for attempt, pause in enumerate(pauses, start=1):
        try:
            return call()
        except InferenceServerException as error:
            waited = time.monotonic() - began
            if not _passes(error) or waited + pause > retry_for:
                raise explained(error, server, timeout, attempt, waited) from error
        time.sleep(pause)
    raise AssertionError("pauses have no end")


def is_missing_model(error: InferenceServerException) -> bool:
    """Whether the server has no such model, or not in that version, or none that could be loaded."""
    return _NO_MODEL in said(error)


def explained(
    error: InferenceServerException, server: str, timeout: float, attempts: int = 1, waited: float = 0.0
) -> InputError | EngineError:
    """The error to raise for one of tritonclient's.

    Args:
        error: The error.
        server: Of whom.
        timeout: Seconds that one answer may take.
        attempts: How often it was asked.
        waited: For how many seconds.
    """
    reason, status = said(error), error.status()
    times = f" (asked {attempts} times in {waited:.0f} s)" if attempts > 1 else ""
    if status == _REFUSED:
        return InputError(f"the Triton server {server} refuses the request: {reason}")
    if status == _TIMED_OUT:
        return EngineError(
            f"the Triton server {server} gave no answer within {timeout:g} s: give it longer by the option "
            "timeout, or look into its log"
        )
    if status == _UNAVAILABLE and not _is_starting(reason):
        return EngineError(
            f"no Triton server answers at {server}{times}: {reason}; start it, or correct the address"
        )
    return EngineError(f"the Triton server {server} failed{times}: {reason}; its log says more")


def said(error: InferenceServerException) -> str:
    """What an error says, on one line."""
    return " ".join((error.message() or "").split())


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)


def _passes(error: InferenceServerException) -> bool:
    """Whether it may be over in a moment: the server, the model or a process of it stops or starts."""
    return error.status() == _UNAVAILABLE or _is_starting(said(error))


def _is_starting(reason: str) -> bool:
    return any(words in reason for words in _STARTING)
