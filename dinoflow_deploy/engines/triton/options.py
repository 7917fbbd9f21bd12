"""How a server is asked."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from dinoflow_deploy.errors import InputError

SHARED_MEMORY: Final = ("auto", "on", "off")


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """How a server is asked.

    Attributes:
        shared_memory: ``"on"``: frames and flow go through memory that client and server share, on one
            machine; ``"off"``: through gRPC; ``"auto"``: shared where the server can open it.
        timeout: Seconds to wait for one answer.
        retry_for: Seconds for which a pair is sent again while the server is not there; 0: never.
    """

    shared_memory: str = "auto"
    timeout: float = 120.0
    retry_for: float = 60.0

    def __post_init__(self) -> None:
        if self.shared_memory not in SHARED_MEMORY:
            raise InputError(
                f"shared_memory is '{self.shared_memory}': it must be {', '.join(SHARED_MEMORY)}"
            )
        if not 0 < self.timeout < math.inf:
            raise InputError(f"timeout is {self.timeout:g} s: it must be above 0")
        if not 0 <= self.retry_for < math.inf:
            raise InputError(f"retry_for is {self.retry_for:g} s: it must be 0 or more")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From values by name, numbers perhaps as text.

        Raises:
            InputError: One is refused.
        """
        values = dict(given)
        for name in ("timeout", "retry_for"):
            if name in values:
                values[name] = _number(name, values[name])
        return cls(**values)


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is '{value}': it must be a number of seconds") from error
