"""What TensorRT says about a plan that it has loaded.

Written against the interfaces of TensorRT 10.16 and 11.4 and TensorRT-RTX 1.7; not yet run on a GPU.
"""

import json
from collections import Counter
from typing import Any, Final

from dinoflow_deploy.engines.tensorrt.loaded_plan import LoadedPlan
from dinoflow_deploy.inspection.element_types import UNKNOWN, type_name
from dinoflow_deploy.inspection.report import Counts, EngineDetails, ProfileDetails, TensorDetails

# Substrings of the inspector's "Format/Datatype", "Half" or "Row major linear FP16 format" for instance. The
# first that fits counts: "bfloat16" holds "float16", and "float" alone is float32.
_DATATYPES: Final = {
    "bfloat16": "bf16",
    "bf16": "bf16",
    "half": "fp16",
    "fp16": "fp16",
    "float16": "fp16",
    "fp8": "fp8",
    "fp4": "fp4",
    "uint8": "uint8",
    "int8": "int8",
    "int4": "int4",
    "int32": "int32",
    "int64": "int64",
    "bool": "bool",
    "fp32": "fp32",
    "float": "fp32",
}


def describe_engine(loaded: LoadedPlan) -> EngineDetails:
    """Read an engine's tensors, profiles, memory and layers."""
    trt, engine = loaded.trt, loaded.engine
    tensors = tuple(_tensor(trt, engine, index) for index in range(engine.num_io_tensors))
    layers = _layers(trt, engine)
    detailed = [layer for layer in layers if isinstance(layer, dict)]
    return EngineDetails(
        version=trt.__version__,
        name=engine.name,
        layers=engine.num_layers,
        precision=_precision(detailed),
        plugins=tuple(layer["Name"] for layer in detailed if "plugin" in _kind(layer).lower()),
        tensors=tensors,
        profiles=tuple(_profile(engine, tensors, index) for index in range(engine.num_optimization_profiles)),
        device_memory_bytes=engine.device_memory_size_v2,
        weights_bytes=engine.get_engine_stat(trt.EngineStat.TOTAL_WEIGHTS_SIZE),
        auxiliary_streams=engine.num_aux_streams,
        hardware_compatibility=engine.hardware_compatibility_level.name,
        refittable=engine.refittable,
    )


def _tensor(trt: Any, engine: Any, index: int) -> TensorDetails:
    name = engine.get_tensor_name(index)
    mode = "input" if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT else "output"
    return TensorDetails(
        name, mode, type_name(engine.get_tensor_dtype(name).name), tuple(engine.get_tensor_shape(name))
    )


def _profile(engine: Any, tensors: tuple[TensorDetails, ...], index: int) -> ProfileDetails:
    inputs = [tensor.name for tensor in tensors if tensor.mode == "input"]
    return ProfileDetails(
        {name: tuple(map(tuple, engine.get_tensor_profile_shape(name, index))) for name in inputs},
        engine.get_device_memory_size_for_profile_v2(index),
    )


def _layers(trt: Any, engine: Any) -> list[Any]:
    """The inspector's layers: objects, names alone or nothing, by the profiling verbosity of the build."""
    inspector = engine.create_engine_inspector()
    text = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    try:
        information = json.loads(text)
    except ValueError:
        return []
    return list(information.get("Layers", ()))


def _precision(layers: list[dict[str, Any]]) -> Counts:
    counts: dict[str, Counter[str]] = {}
    for layer in layers:
        counts.setdefault(_datatype(layer), Counter())[_kind(layer)] += 1
    ordered = sorted(counts.items(), key=lambda item: -item[1].total())
    return {name: dict(kinds.most_common()) for name, kinds in ordered}


def _kind(layer: dict[str, Any]) -> str:
    return str(layer.get("LayerType", UNKNOWN))


def _datatype(layer: dict[str, Any]) -> str:
    for tensor in layer.get("Outputs", ()):
        stated = str(tensor.get("Format/Datatype", "")).lower()
        return next((name for part, name in _DATATYPES.items() if part in stated), UNKNOWN)
    return UNKNOWN
