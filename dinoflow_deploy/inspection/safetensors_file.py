"""What a ``.safetensors`` file holds, from its header alone."""

import json
from collections import Counter
from math import prod
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.inspection.element_types import bytes_of
from dinoflow_deploy.inspection.report import ModelDetails, WeightsDetails
from dinoflow_deploy.system.system_errors import check_readable

CONFIG_KEY: Final = "dinoflow_config"
"""Where complete models keep their configuration; ``train.model``, which needs torch, writes it."""


def read_model(path: Path) -> ModelDetails:
    """Read the configuration, and count the tensors by element type and first part of their names.

    Raises:
        FileFormatError: It is damaged, or not such a file.
    """
    check_readable(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            tensors = [(name, _type(part.get_dtype()), part.get_shape()) for name, part in slices.items()]
    except (SafetensorError, OSError) as error:
        raise FileFormatError(f"{path} cannot be read as a .safetensors file: {error}") from error
    return ModelDetails(_config(metadata, path), _weights(tensors))


def _config(metadata: dict[str, str], path: Path) -> dict[str, Any] | None:
    if CONFIG_KEY not in metadata:
        return None
    try:
        config = json.loads(metadata[CONFIG_KEY])
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} holds a model configuration that is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise FileFormatError(f"{path} holds a model configuration that is not an object: {config!r}")
    return config


def _weights(tensors: list[tuple[str, str, list[int]]]) -> tuple[WeightsDetails, ...]:
    weights = []
    for element_type in dict.fromkeys(kind for _, kind, _ in tensors):
        mine = [(name, prod(shape)) for name, kind, shape in tensors if kind == element_type]
        values = sum(count for _, count in mine)
        parts = Counter(name.partition(".")[0] for name, _ in mine)
        weights.append(
            WeightsDetails(element_type, len(mine), values, bytes_of(element_type, values), dict(parts))
        )
    return tuple(sorted(weights, key=lambda weights: -weights.bytes))


def _type(dtype: str) -> str:
    """``"F32"`` and ``"I64"`` as ``"fp32"`` and ``"int64"``."""
    for prefix, name in (("BF", "bf"), ("F", "fp"), ("I", "int"), ("U", "uint")):
        if dtype.startswith(prefix) and dtype.removeprefix(prefix).isdecimal():
            return name + dtype.removeprefix(prefix)
    return dtype.lower()
