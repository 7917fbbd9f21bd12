"""The first bytes of a plan, as TensorRT-RTX 1.7 writes them.

```
 0  "vtrt"                      20  high half of the length
 4  0                           24  version: major, minor, patch, build, a byte each
 8  number of parts             28  "vtrt"
16  length of the whole file    32  what it was built for, a bit each
```

A plan has two parts, engine and weights, and one more for each library that it holds.

NVIDIA does not document this. It was found by building plans of every compute capability, with and without
libraries, by TensorRT-RTX 1.7.1.116, whose own reader then refused a plan of another length or version. The
headers of TensorRT for data-centre GPUs could not be looked at, so nothing is said about plans that begin in
another way.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.tensorrt.flavours import RTX

HEADER_BYTES: Final = 64
_MAGIC: Final = b"vtrt"
_FEWEST_PARTS: Final = 2
_MAJOR: Final = 1
_CAPABILITIES: Final = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
_LAYOUT: Final = struct.Struct("<4s4xQQ4B4sI")


@dataclass(frozen=True, slots=True)
class PlanHeader:
    """What a plan says about itself before its content.

    Attributes:
        flavour: Which TensorRT built it.
        version: Version of that TensorRT.
        compute_capabilities: What it was built for; ``"unknown (bit N)"`` for one without a known name.
    """

    flavour: str
    version: str
    compute_capabilities: tuple[str, ...]


def read_header(path: Path) -> PlanHeader | None:
    """What a plan says about itself.

    Args:
        path: The file.

    Returns:
        ``None`` for a layout that is not the one above.

    Raises:
        FileFormatError: It is shorter or longer than it says, or too short for any plan.
    """
    with path.open("rb") as file:
        start, length = file.read(HEADER_BYTES), path.stat().st_size
    if length < HEADER_BYTES:
        raise FileFormatError(f"{path} is no TensorRT plan: {length} bytes are too few for one")
    magic, parts, stated, *version, again, targets = _LAYOUT.unpack_from(start)
    if (magic, again, version[0]) != (_MAGIC, _MAGIC, _MAJOR) or parts < _FEWEST_PARTS:
        return None
    if stated != length:
        raise FileFormatError(
            f"{path} is damaged: {length} bytes, where its header says {stated}: copy it or build it again"
        )
    return PlanHeader(RTX.name, ".".join(map(str, version)), _capabilities(targets))


def _capabilities(bits: int) -> tuple[str, ...]:
    numbers = [number for number in range(32) if bits >> number & 1]
    return tuple(
        _CAPABILITIES[number] if number < len(_CAPABILITIES) else f"unknown (bit {number})"
        for number in numbers
    )
