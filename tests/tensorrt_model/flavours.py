"""The TensorRTs that are modelled: their versions, and the numbers of their enumerations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Modelled:
    """A TensorRT.

    Attributes:
        module: Name of its Python module.
        flavour: What the package calls it.
        version: Its version.
        enums: Numbers of those members of its enumerations that the package uses, or may ask for.
    """

    module: str
    flavour: str
    version: str
    enums: Mapping[str, Mapping[str, int]] = field(hash=False)


_COMMON: Final[dict[str, dict[str, int]]] = {
    "BuilderFlag": {"TF32": 6},
    "DataType": {"FLOAT": 0, "HALF": 1, "INT32": 3, "BOOL": 4, "UINT8": 5, "BF16": 7, "INT64": 8},
    "EngineStat": {"TOTAL_WEIGHTS_SIZE": 0, "STRIPPED_WEIGHTS_SIZE": 1},
    "HardwareCompatibilityLevel": {"NONE": 0, "AMPERE_PLUS": 1, "SAME_COMPUTE_CAPABILITY": 2},
    "LayerInformationFormat": {"ONELINE": 0, "JSON": 1},
    "MemoryPoolType": {"WORKSPACE": 0},
    "ProfilingVerbosity": {"LAYER_NAMES_ONLY": 0, "NONE": 1, "DETAILED": 2},
    "TensorIOMode": {"NONE": 0, "INPUT": 1, "OUTPUT": 2},
}

TENSORRT_10: Final = Modelled(
    "tensorrt",
    "tensorrt",
    "10.16.1.11",
    _COMMON
    | {
        "NetworkDefinitionCreationFlag": {
            "EXPLICIT_BATCH": 0,
            "STRONGLY_TYPED": 1,
            "PREFER_JIT_PYTHON_PLUGINS": 2,
            "PREFER_AOT_PYTHON_PLUGINS": 3,
        }
    },
)
TENSORRT_11: Final = Modelled(
    "tensorrt",
    "tensorrt",
    "11.4.0.106",
    _COMMON
    | {
        "NetworkDefinitionCreationFlag": {
            "STRONGLY_TYPED": 0,
            "PREFER_JIT_PYTHON_PLUGINS": 1,
            "PREFER_AOT_PYTHON_PLUGINS": 2,
        }
    },
)
RTX: Final = Modelled(
    "tensorrt_rtx",
    "rtx",
    "1.7.1.116",
    _COMMON
    | {
        "ComputeCapability": {
            "NONE": 0,
            "CURRENT": 1,
            "SM75": 75,
            "SM80": 80,
            "SM86": 86,
            "SM89": 89,
            "SM120": 120,
            "SM121": 121,
        },
        "NetworkDefinitionCreationFlag": {"STRONGLY_TYPED": 0},
    },
)
MODELLED: Final = (TENSORRT_10, TENSORRT_11, RTX)
