"""What all classes of the model have in common."""

from enum import Enum
from types import SimpleNamespace
from typing import Any


class Number(Enum):
    """An enumeration of TensorRT's: no integer, though it can be made one."""

    def __int__(self) -> int:
        return int(self.value)


class Strict:
    """Refuses to be given attributes that its class does not have, and says what TensorRT says.

    ``_state`` is what the module of that TensorRT keeps for all of its objects.
    """

    _state: SimpleNamespace

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(f"TensorRT's {type(self).__name__} has no '{name}'")
        super().__setattr__(name, value)

    def _tell(self, text: str, severity: str = "ERROR") -> None:
        tell(self._state, text, severity)

    def _refuse(self, text: str) -> bool:
        self._tell(text)
        return False


def tell(state: SimpleNamespace, text: str, severity: str = "ERROR") -> None:
    logger = state.logger
    logger.log(getattr(logger, severity), text)


def use_logger(state: SimpleNamespace, logger: Any) -> None:
    """Take a logger; the first one of a process is kept."""
    assert logger._made, "ILogger.__init__ was not called"
    state.logger = state.logger or logger
