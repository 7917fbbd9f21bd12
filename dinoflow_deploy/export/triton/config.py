"""The configurations that Triton reads: ``config.pbtxt``, protobuf's text form of its ``ModelConfig``.

Layout: https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.bundles.model_input import IMAGES, ModelInput
from dinoflow_deploy.bundles.onnx_info import ONNX_NAME, OnnxInfo
from dinoflow_deploy.engines.triton.interface import ABOUT, FLOW, FRAME_NAMES, TENSORS
from dinoflow_deploy.tensorrt.plan_info import PlanInfo

CONFIG_NAME: Final = "config.pbtxt"
PLAN_NAME: Final = "model.plan"
"""Where Triton looks for a plan."""
FRONT_INSTANCES: Final = 4
"""Processes of the front: while one waits for the network, others pad and crop. Each calls with one pair, so
that the network joins so many at most."""
NETWORK_VERSIONS: Final = 2
"""Versions of the network that are served: a front finds its own while the next one is loaded."""

_TYPES: Final = {"float32": "FP32", "uint8": "UINT8"}
"""Triton's names of types by NumPy's."""
_PLUGINS: Final = {
    "none": "no plugin",
    "aot": "the ahead-of-time plugin, whose kernel the plan holds",
    "cpp": "the C++ plugin, native code that the plan holds: start the server with "
    "--backend-config=tensorrt,version-compatible=true",
}


@dataclass(frozen=True, slots=True)
class Platform:
    """What in Triton runs a kind of artefact.

    Attributes:
        name: Triton's name of it.
        title: What it is called in sentences.
        file: The artefact's name in the folder of a version.
        instances: The ``instance_group``.
    """

    name: str
    title: str
    file: str
    instances: str


PLATFORMS: Final = {
    OnnxInfo.kind: Platform("onnxruntime_onnx", "ONNX Runtime", ONNX_NAME, "count: 1 kind: KIND_AUTO"),
    PlanInfo.kind: Platform(
        "tensorrt_plan", "TensorRT", PLAN_NAME, 'count: 1 kind: KIND_GPU profile: [ "0" ]'
    ),
}
"""By kind of artefact."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The configuration of a network, which all of its versions share.

    Attributes:
        platform: What runs it.
        inputs: Shapes that it takes.
        model_input: How it takes a pair.
        plan: What is known of its plan; ``None`` where it is the ONNX file.
    """

    platform: Platform
    inputs: InputRange
    model_input: ModelInput = IMAGES
    plan: PlanInfo | None = None

    @property
    def largest_batch(self) -> int:
        """``max_batch_size``: 0 where the batch is one that cannot be chosen, and stands in the shape."""
        batch = self.inputs.batch
        return 0 if batch.is_static or batch.max is None else batch.max

    @property
    def dims(self) -> tuple[int, ...]:
        """Of a picture, ``-1`` where any length is taken; the batch is among them where it is static."""
        return self._without_batch(self.model_input.shape(*self._lengths))

    def shares_with(self, other: "NetworkConfig") -> bool:
        """Whether one configuration does for both; what is warmed up may differ."""
        return self._shared == other._shared

    def __str__(self) -> str:
        batch = f"up to {self.largest_batch} pairs" if self.largest_batch else f"{self.inputs.batch} pairs"
        return f"{self.platform.title}, {self.model_input.name} {_list(self.dims)}, {batch} at once"

    def text(self, name: str) -> str:
        """The file.

        Args:
            name: Of the network.
        """
        pictures = [(each, self._type, self.dims) for each in self.model_input.tensors]
        batch, height, width = self._lengths
        flow = self._without_batch((batch, 2, height, width))
        batching = "dynamic_batching { }\n" if self.largest_batch > 1 else ""
        return (
            f"# The network behind the front. {self._remark()}\n"
            f'name: "{name}"\n'
            f'platform: "{self.platform.name}"\n'
            f'default_model_filename: "{self.platform.file}"\n'
            f"max_batch_size: {self.largest_batch}\n"
            f"{_tensors('input', pictures)}"
            f"{_tensors('output', [('flow', 'FP32', flow)])}"
            f"version_policy {{ latest {{ num_versions: {NETWORK_VERSIONS} }} }}\n"
            f"instance_group [ {{ {self.platform.instances} }} ]\n"
            f"{batching}"
            f"model_warmup [ {self._warm_up()} ]\n"
        )

    def _remark(self) -> str:
        if self.plan is None:
            return "Local correlation: a function within the ONNX file."
        where = ", ".join(self.plan.compute_capabilities)
        return (
            f"Built by TensorRT {self.plan.version} for compute capability {where}, and runs there alone.\n"
            f"# Local correlation: {_PLUGINS[self.plan.plugin]}."
        )

    def _warm_up(self) -> str:
        batch, height, width = (axis.opt for axis in (self.inputs.batch, *self.inputs.sides.values()))
        dims = self._without_batch(self.model_input.shape(batch, height, width))
        shape = f"data_type: TYPE_{self._type} dims: {_list(dims)} zero_data: true"
        inputs = "".join(
            f'  inputs {{ key: "{name}" value {{ {shape} }} }}\n' for name in self.model_input.tensors
        )
        count = batch if self.largest_batch else 1
        return f'{{\n  name: "tuned for {height}x{width}"\n  batch_size: {count}\n{inputs}}}'

    @property
    def _type(self) -> str:
        return _TYPES[self.model_input.dtype]

    @property
    def _lengths(self) -> tuple[int, int, int]:
        batch, height, width = (_dim(axis) for axis in (self.inputs.batch, *self.inputs.sides.values()))
        return batch, height, width

    @property
    def _shared(self) -> tuple[object, ...]:
        return self.platform, self.model_input, self.largest_batch, self.dims

    def _without_batch(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape as the configuration has it: the batch is said by ``max_batch_size`` where it is free."""
        return shape[1:] if self.largest_batch else shape


def front_config(name: str) -> str:
    """The configuration of a front.

    Args:
        name: Of the front.
    """
    inputs = [(each, *TENSORS[each]) for each in FRAME_NAMES]
    # The protocol calls bytes what the configuration calls a string.
    outputs = [(FLOW, *TENSORS[FLOW]), (ABOUT, "STRING", TENSORS[ABOUT][1])]
    return (
        "# What clients call: takes frames of any size as they are, and calls the network.\n"
        f'name: "{name}"\n'
        'backend: "python"\n'
        "max_batch_size: 0\n"
        f"{_tensors('input', inputs)}"
        f"{_tensors('output', outputs)}"
        f"instance_group [ {{ count: {FRONT_INSTANCES} kind: KIND_CPU }} ]\n"
    )


def _tensors(direction: str, tensors: Sequence[tuple[str, str, tuple[int, ...]]]) -> str:
    lines = [
        f'  {{ name: "{name}" data_type: TYPE_{kind} dims: {_list(dims)} }}' for name, kind, dims in tensors
    ]
    return f"{direction} [\n" + ",\n".join(lines) + "\n]\n"


def _list(dims: Sequence[int]) -> str:
    return f"[ {', '.join(map(str, dims))} ]"


def _dim(axis: AxisRange) -> int:
    return axis.min if axis.is_static else -1
