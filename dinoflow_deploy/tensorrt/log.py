"""What TensorRT says, collected, so that it arrives in our messages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any, Final

_WITHOUT_GPU: Final = "CUDA driver version is insufficient"


@dataclass(slots=True)
class Messages:
    """What was said while something was done, each once and in order.

    Attributes:
        errors: Lines of errors.
        warnings: Lines of warnings.
    """

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def why(self) -> str:
        """The errors as one line, or that none was given."""
        return meaningful("\n".join(self.errors)) or "it gives no reason"


class Log:
    """Receives everything that one TensorRT says in this process, which knows one logger at a time.

    Attributes:
        logger: What TensorRT's constructors take.
    """

    def __init__(self, trt: ModuleType) -> None:
        self._listeners: list[Messages] = []
        self._errors = (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR)
        self._warning = trt.ILogger.WARNING
        self.logger = _logger(trt, self._hear)

    @contextmanager
    def listen(self) -> Iterator[Messages]:
        """Collect what is said from here on, in every thread: TensorRT does not say whom it answers."""
        messages = Messages()
        self._listeners.append(messages)
        try:
            yield messages
        finally:
            # By identity: what two listeners heard may be equal.
            self._listeners[:] = [other for other in self._listeners if other is not messages]

    def _hear(self, severity: Any, text: str) -> None:
        if severity not in (*self._errors, self._warning):
            return
        for messages in list(self._listeners):
            heard = messages.warnings if severity == self._warning else messages.errors
            if text not in heard:
                heard.append(text)


@cache
def log_of(trt: ModuleType) -> Log:
    """The log of a TensorRT; TensorRT keeps using the first logger that a process gives it."""
    return Log(trt)


def meaningful(text: str) -> str:
    """A text on one line, without remarks that a machine without a GPU has none, where there are others."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line for line in lines if _WITHOUT_GPU not in line]
    return "; ".join(said or lines)


def _logger(trt: ModuleType, hear: Callable[[Any, str], None]) -> Any:
    # The class can only be written where the module is at hand.
    class Logger(trt.ILogger):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, text: str) -> None:
            hear(severity, text)

    return Logger()
