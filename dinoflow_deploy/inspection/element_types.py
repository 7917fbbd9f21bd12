"""Names of element types, and how large their values are."""

import re
from typing import Final

_FLOATS: Final = {"float": "fp32", "float16": "fp16", "bfloat16": "bf16", "double": "fp64", "half": "fp16"}
_NUMBER: Final = re.compile(r"\d+")
UNKNOWN: Final = "unknown"


def type_name(name: str) -> str:
    """A type as this project names it: ``"fp16"`` for ``"FLOAT16"`` and ``"HALF"``, else in small letters.

    Args:
        name: As ONNX and TensorRT name the members of their enumerations.
    """
    return _FLOATS.get(name.lower(), name.lower())


def bytes_of(name: str, values: int) -> int:
    """Size of packed values of a type; 0 where their length is not fixed, as of strings.

    Args:
        name: The type as this project names it; the first number in it is its length in bits.
        values: How many of them.
    """
    bits = _NUMBER.search(name)
    if bits is None:
        return values if name == "bool" else 0
    return (values * int(bits[0]) + 7) // 8
