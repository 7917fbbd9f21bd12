"""A plan: what the builder writes and the runtime reads. A line of JSON, and the ONNX file."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

Corners = list[list[int]]
"""Least, optimal and greatest shape."""

_MAGIC = b"modelled plan\n"
_RTX_BITS = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")


@dataclass(frozen=True)
class Plan:
    """What was built.

    Attributes:
        flavour: Which TensorRT built it.
        version: Its version.
        capabilities: Compute capabilities of the GPUs that run it.
        settings: What the builder was told.
        tensors: Mode, type and shape of each input and output; -1 is an open length, which ``axes`` names.
        axes: Names of the open lengths of each tensor; ``None`` where a length is fixed.
        profiles: Corners of every input, for each profile.
        layers: What the inspector says about each layer, or its name alone.
        plugin: Its kind of plugin: ``""`` for none, ``"library"``, or ``"kernel"``, which is in the plan.
        libraries: Native code in it, by path.
        kernel: Entry point of the ahead-of-time plugin.
        name: Of the network.
        memory: Bytes for an execution context, for each profile.
        weights: Bytes of weights.
        streams: Number of auxiliary streams.
        onnx: The ONNX file.
    """

    flavour: str
    version: str
    capabilities: tuple[str, ...]
    settings: Mapping[str, Any]
    tensors: Mapping[str, tuple[str, str, tuple[int, ...]]]
    axes: Mapping[str, tuple[str | None, ...]]
    profiles: tuple[Mapping[str, Corners], ...]
    layers: tuple[Any, ...]
    plugin: str
    libraries: tuple[str, ...]
    kernel: str
    name: str
    memory: tuple[int, ...]
    weights: int
    streams: int
    onnx: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        content = dict(vars(self))
        onnx = content.pop("onnx")
        body = _MAGIC + json.dumps(content).encode() + b"\n" + onnx
        return _rtx_header(len(body), self) + body if self.flavour == "rtx" else body

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read one.

        Raises:
            ValueError: It is none.
        """
        _, magic, body = content.partition(_MAGIC)
        if not magic:
            raise ValueError("no plan")
        head, _, onnx = body.partition(b"\n")
        values = json.loads(head)
        for name in ("capabilities", "profiles", "layers", "libraries", "memory"):
            values[name] = tuple(values[name])
        values["tensors"] = {
            name: (mode, kind, tuple(shape)) for name, (mode, kind, shape) in values["tensors"].items()
        }
        return cls(**values, onnx=onnx)


def _rtx_header(length: int, plan: Plan) -> bytes:
    """As ``dinoflow_deploy.tensorrt.plan_header`` describes it."""
    targets = sum(1 << _RTX_BITS.index(each) for each in plan.capabilities)
    version = map(int, plan.version.split("."))
    return struct.pack(
        "<4s4xQQ4B4sI28x", b"vtrt", 2 + len(plan.libraries), 64 + length, *version, b"vtrt", targets
    )
