"""The names of devices: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``."""

import re
from dataclasses import dataclass

from dinoflow_deploy.errors import InputError


@dataclass(frozen=True, slots=True)
class Device:
    """A device by name.

    Attributes:
        kind: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        index: Which CUDA device; 0 for the others.
    """

    kind: str
    index: int = 0

    @classmethod
    def parse(cls, text: str) -> "Device":
        """Read a name.

        Raises:
            InputError: It is not the name of a device.
        """
        match = re.fullmatch(r"(auto|cpu|cuda)|cuda:(\d+)", text)
        if match is None:
            raise InputError(
                f"the device '{text}' is not known: use auto, cpu, cuda, or cuda:1 for the second GPU"
            )
        return cls(match[1] or "cuda", int(match[2] or 0))

    def __str__(self) -> str:
        return f"{self.kind}:{self.index}" if self.index else self.kind
