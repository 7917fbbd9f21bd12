"""The names of devices: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"intel-gpu"``, ``"intel-npu"``."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from dinoflow_deploy.errors import InputError

KINDS: Final = ("cpu", "cuda", "intel-gpu", "intel-npu")
"""Every kind of device."""
_USUAL: Final = KINDS[:2]


@dataclass(frozen=True, slots=True)
class Device:
    """A device by name.

    Attributes:
        kind: ``"auto"``, or one of ``KINDS``.
        index: Which of several of one kind.
    """

    kind: str
    index: int = 0

    @classmethod
    def parse(cls, text: str, kinds: Collection[str] = _USUAL) -> "Device":
        """Read a name.

        Args:
            text: The name.
            kinds: Those that can be meant, beside ``"auto"``.

        Raises:
            InputError: It is not the name of a device, or of another kind.
        """
        match = re.fullmatch(r"(auto|cpu|cuda|intel-gpu|intel-npu)|(cuda|intel-gpu|intel-npu):(\d+)", text)
        if match is None:
            raise InputError(
                f"the device '{text}' is not known: use auto, cpu, cuda, or cuda:1 for the second GPU; or "
                "intel-gpu, intel-npu"
            )
        device = cls(match[1] or match[2], int(match[3] or 0))
        if device.kind not in ("auto", *kinds):
            raise InputError(
                f"the device '{text}' is of no kind that this backend uses: use auto, {', '.join(kinds)}"
            )
        return device

    def __str__(self) -> str:
        return f"{self.kind}:{self.index}" if self.index else self.kind
