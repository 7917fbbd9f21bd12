"""What is found out about an artefact."""

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from dinoflow_deploy.bundles.manifest import FileInfo, Manifest
from dinoflow_deploy.tensorrt.plan_header import PlanHeader
from dinoflow_deploy.tensorrt.plan_info import PlanInfo

Counts = dict[str, dict[str, int]]
"""Counts by precision, then by kind of operator or layer."""


@dataclass(frozen=True, slots=True)
class FileDetails:
    """A file that was read.

    Attributes:
        name: Its name, without a folder.
        bytes: Its length.
        sha256: Its SHA-256.
        recorded: Whether a manifest states this length and SHA-256.
    """

    name: str
    bytes: int
    sha256: str
    recorded: bool

    @classmethod
    def of(cls, name: str, file: FileInfo, *, recorded: bool) -> "FileDetails":
        """A file whose length and SHA-256 are known."""
        return cls(name, file.bytes, file.sha256, recorded)


@dataclass(frozen=True, slots=True)
class TensorDetails:
    """An input or output.

    Attributes:
        name: Its name.
        mode: ``"input"`` or ``"output"``.
        type: Element type, for instance ``"fp32"``.
        shape: Lengths; the name of one that may vary, -1 where it has none. ``None`` where it is not known,
            and for what has none, such as a sequence.
    """

    name: str
    mode: str
    type: str
    shape: tuple[int | str, ...] | None


@dataclass(frozen=True, slots=True)
class WeightsDetails:
    """The constant values of one element type.

    Attributes:
        type: Element type.
        tensors: Number of tensors.
        values: Number of values in all of them.
        bytes: Their size.
        used_by: How many of the tensors each kind of operator takes, or each first part of their names holds.
    """

    type: str
    tensors: int
    values: int
    bytes: int
    used_by: dict[str, int]


@dataclass(frozen=True, slots=True)
class OperatorDetails:
    """The node ``dinoflow::LocalCorrelation`` of an ONNX graph.

    Attributes:
        attributes: Its attributes.
        body_nodes: Number of nodes in the function that is its body; ``None`` where the file holds none.
    """

    attributes: dict[str, Any]
    body_nodes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphDetails:
    """What stands in an ONNX file.

    Attributes:
        producer: What wrote it.
        ir_version: Version of the ONNX format.
        opsets: Version of each domain's operators; the standard domain is ``"ai.onnx"``.
        tensors: Inputs and outputs.
        is_flow_model: Whether they are those of a flow model: ``flow`` of a pair in one of the
            forms of ``bundles.model_input``.
        nodes: Number of nodes, those in branches and loops included, those of functions not.
        precision: Nodes by the element type of their first output, then by operator.
        weights: Constant values by element type.
        external_files: Files beside it that hold weights.
        operators: Its local correlations that are one node each.
        objection: What the checker of ``onnx`` has against it, which a runtime may or may not overlook: ONNX
            Runtime writes operators of its own, and takes nodes in any order. ``None`` where it is content.
    """

    producer: str
    ir_version: int
    opsets: dict[str, int]
    tensors: tuple[TensorDetails, ...]
    is_flow_model: bool
    nodes: int
    precision: Counts
    weights: tuple[WeightsDetails, ...]
    external_files: tuple[str, ...]
    operators: tuple[OperatorDetails, ...]
    objection: str | None


@dataclass(frozen=True, slots=True)
class ProfileDetails:
    """An optimisation profile of a plan.

    Attributes:
        shapes: Least, tuned-for and greatest shape of each input.
        device_memory_bytes: Device memory for activations and scratch under this profile.
    """

    shapes: dict[str, tuple[tuple[int, ...], ...]]
    device_memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDetails:
    """What TensorRT says about a plan that it has loaded.

    Attributes:
        version: Version of TensorRT that loaded it.
        name: Name of the engine.
        layers: Number of layers.
        precision: Layers by the type of their first output, then by kind. Empty where the plan was built
            without detailed profiling information.
        plugins: Layers that are plugins.
        tensors: Inputs and outputs.
        profiles: Optimisation profiles.
        device_memory_bytes: Device memory that an execution context needs at most, without the weights.
        weights_bytes: Size of the weights.
        auxiliary_streams: CUDA streams that it uses beside the caller's.
        hardware_compatibility: TensorRT's name of the level.
        refittable: Whether its weights can be exchanged.
    """

    version: str
    name: str
    layers: int
    precision: Counts
    plugins: tuple[str, ...]
    tensors: tuple[TensorDetails, ...]
    profiles: tuple[ProfileDetails, ...]
    device_memory_bytes: int
    weights_bytes: int
    auxiliary_streams: int
    hardware_compatibility: str
    refittable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDetails:
    """A TensorRT plan.

    Attributes:
        file: Its name.
        header: What its first bytes say; ``None`` for layouts that are not known.
        recorded: What the manifest of its bundle says; ``None`` outside a bundle.
        engine: What TensorRT says; ``None`` where it could not load the plan.
    """

    file: str
    header: PlanHeader | None
    recorded: PlanInfo | None
    engine: EngineDetails | None


@dataclass(frozen=True, slots=True)
class ModelDetails:
    """A ``.safetensors`` file.

    Attributes:
        config: The model's configuration; ``None`` where the file holds none and is no complete model.
        weights: Tensors by element type.
    """

    config: dict[str, Any] | None
    weights: tuple[WeightsDetails, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingDetails:
    """How far a training run came, as its checkpoint says.

    Attributes:
        step: Optimiser steps done.
        start_epe: Validation end-point error of the weights it started from, px; ``None`` where they were
            random.
        best_epe: The lowest so far, px; ``None`` before the first validation.
        models: Paths of the run's complete models, and which of them each is.
    """

    step: int
    start_epe: float | None
    best_epe: float | None
    models: dict[str, str]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that could not be found out here.

    Attributes:
        what: What is missing from the report.
        reason: Why, and how to get it.
    """

    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an artefact is.

    Attributes:
        path: Where it lies.
        kind: ``"bundle"``, ``"onnx"``, ``"plan"``, ``"safetensors"``, ``"checkpoint"``, ``"run"`` or
            ``"published"``.
        files: The files that belong to it.
        unlisted: Names in a bundle's folder that its manifest does not list.
        manifest: The bundle's manifest, which for a plan is the one beside it.
        graph: What stands in the ONNX file.
        plans: The plan, or the bundle's.
        model: What a ``.safetensors`` file holds, or those of a published model together.
        training: What a run's checkpoint says about it.
        left_out: What could not be found out here.
    """

    path: str
    kind: str
    files: tuple[FileDetails, ...]
    unlisted: tuple[str, ...] = ()
    manifest: Manifest | None = None
    graph: GraphDetails | None = None
    plans: tuple[PlanDetails, ...] = ()
    model: ModelDetails | None = None
    training: TrainingDetails | None = None
    left_out: tuple[LeftOut, ...] = ()

    @property
    def bytes(self) -> int:
        """Length of all its files."""
        return sum(file.bytes for file in self.files)

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values; numbers that JSON does not have are strings: ``"nan"``, ``"inf"``."""
        values: dict[str, Any] = _with_finite_numbers(asdict(self))
        return values | {"bytes": self.bytes}


def _with_finite_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_finite_numbers(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_finite_numbers(each) for each in value]
    return str(value) if isinstance(value, float) and not isfinite(value) else value
