"""How the kernels are launched, as local_correlation.h says it in C++."""

from typing import Any, Final

ENTRIES: Final = {
    "fp32": "local_correlation_fp32",
    "fp16": "local_correlation_fp16",
    "bf16": "local_correlation_bf16",
}
"""Kernel by type. Arguments: feature 1, feature 2, channels, height, width, radius, volume."""
THREADS: Final = 192
MAXIMUM_RADIUS: Final = 8
_COLUMNS: Final = 32
_ROWS_DY: Final = 3
_COLUMNS_DX: Final = 9


def block_count(batch: Any, height: Any, width: Any, radius: int) -> Any:
    """Blocks of a launch, all along grid x.

    Args:
        batch: Images, an integer or what adds, multiplies and divides like one.
        height: Rows, likewise.
        width: Columns, likewise.
        radius: Largest displacement, 1 to 8.

    Returns:
        What the first three are.
    """
    side = 2 * radius + 1
    displacements = -(-side // _COLUMNS_DX) * -(-side // _ROWS_DY)
    return batch * height * ((width + (_COLUMNS - 1)) // _COLUMNS) * displacements
