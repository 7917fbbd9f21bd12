"""A TensorRT that holds one made-up engine and refuses what the real ones do not have.

The names are those that the Python bindings of TensorRT 10.16 and 11.4 and TensorRT-RTX 1.7 have in common.
"""

import enum
import json
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

ENGINE_NAMES = frozenset(
    """
create_engine_inspector create_execution_context create_runtime_config create_serialization_config
device_memory_size_v2 engine_capability error_recorder get_aliased_input_tensor
get_device_memory_size_for_profile_v2 get_engine_stat get_tensor_bytes_per_component
get_tensor_components_per_element get_tensor_dtype get_tensor_format get_tensor_format_desc
get_tensor_location get_tensor_mode get_tensor_name get_tensor_profile_shape get_tensor_profile_values
get_tensor_shape get_tensor_vectorized_dim get_weight_streaming_automatic_budget
hardware_compatibility_level is_debug_tensor is_shape_inference_io name num_aux_streams num_io_tensors
num_layers num_optimization_profiles profiling_verbosity refittable serialize serialize_with_config
streamable_weights_size tactic_sources weight_streaming_budget_v2 weight_streaming_scratch_memory_size
""".split()  # noqa: SIM905 - far shorter than a list
)
INSPECTOR_NAMES = frozenset(
    """
error_recorder execution_context get_engine_information get_layer_information
""".split()  # noqa: SIM905 - far shorter than a list
)
RUNTIME_NAMES = frozenset(
    """
DLA_core deserialize_cuda_engine engine_host_code_allowed error_recorder get_plugin_registry gpu_allocator
load_runtime logger max_threads num_DLA_cores tempfile_control_flags temporary_directory
""".split()  # noqa: SIM905 - far shorter than a list
)
MODULE_NAMES = frozenset(
    """
EngineStat DataType HardwareCompatibilityLevel ILogger LayerInformationFormat Runtime TensorIOMode
""".split()  # noqa: SIM905 - far shorter than a list
)

TensorIOMode = enum.Enum("TensorIOMode", {"NONE": 0, "INPUT": 1, "OUTPUT": 2})
DataType = enum.Enum("DataType", {"FLOAT": 0, "HALF": 1, "BF16": 7, "INT32": 3})
EngineStat = enum.Enum("EngineStat", {"TOTAL_WEIGHTS_SIZE": 0, "STRIPPED_WEIGHTS_SIZE": 1})
LayerInformationFormat = enum.Enum("LayerInformationFormat", {"ONELINE": 0, "JSON": 1})
Level = enum.Enum("Level", {"NONE": 0, "AMPERE_PLUS": 1, "SAME_COMPUTE_CAPABILITY": 2})

LAYERS: list[Any] = [
    {
        "Name": "conv1",
        "LayerType": "CaskConvolution",
        "Outputs": [{"Name": "a", "Format/Datatype": "Channel major FP16 format where channel % 8 == 0"}],
    },
    {"Name": "conv2", "LayerType": "CaskConvolution", "Outputs": [{"Name": "b", "Format/Datatype": "Half"}]},
    {"Name": "norm", "LayerType": "kgen", "Outputs": [{"Name": "c", "Format/Datatype": "BFloat16"}]},
    {"Name": "grid", "LayerType": "kgen", "Outputs": [{"Name": "d", "Format/Datatype": "Float"}]},
    {"Name": "volume", "LayerType": "PluginV3", "Outputs": [{"Format/Datatype": "Row major linear FP32"}]},
    {"Name": "late", "LayerType": "NoOp", "Outputs": [{"Format/Datatype": "N/A due to dynamic shapes"}]},
    {"Name": "signal", "LayerType": "Signal", "Outputs": []},
]


class Strict:
    """Has the values that it is given, and may only be asked for names that the real class has."""

    def __init__(self, kind: str, names: frozenset[str], **values: Any) -> None:
        assert set(values) <= set(names), f"{kind} is given what it does not have"
        self.__dict__.update({"_kind": kind, "_names": names, "_values": values})

    def __getattr__(self, name: str) -> Any:
        if name not in self._names:
            raise AttributeError(f"{self._kind} has no attribute '{name}'")
        return self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._names:
            raise AttributeError(f"{self._kind} has no attribute '{name}'")
        self._values[name] = value


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def __init__(self) -> None:
        self.made = True


class FakeModule(ModuleType):
    """``import tensorrt``."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"tensorrt has no attribute '{name}'")


def fake_tensorrt(layers: list[Any]) -> ModuleType:
    """A module that loads plans that begin with ``engine``, and with ``code`` only where code is allowed."""
    module = FakeModule("tensorrt")
    module.__spec__ = ModuleSpec("tensorrt", None)
    values = {
        "__version__": "11.4.0.106",
        "EngineStat": EngineStat,
        "DataType": DataType,
        "HardwareCompatibilityLevel": Level,
        "ILogger": ILogger,
        "LayerInformationFormat": LayerInformationFormat,
        "Runtime": lambda logger: _runtime(logger, layers),
        "TensorIOMode": TensorIOMode,
    }
    assert set(values) == MODULE_NAMES | {"__version__"}
    module.__dict__.update(values)
    return module


def _runtime(logger: ILogger, layers: list[Any]) -> Strict:
    assert logger.made, "ILogger.__init__ was not called"

    def deserialize(plan: bytes) -> Strict | None:
        logger.log(ILogger.INFO, "loading")  # type: ignore[attr-defined]
        if plan.startswith(b"engine") or (plan.startswith(b"code") and runtime.engine_host_code_allowed):
            return _engine(layers)
        logger.log(ILogger.ERROR, "this plan is of another version")  # type: ignore[attr-defined]
        return None

    runtime = Strict(
        "Runtime", RUNTIME_NAMES, deserialize_cuda_engine=deserialize, engine_host_code_allowed=False
    )
    return runtime


def _engine(layers: list[Any]) -> Strict:
    tensors = {
        "image1": (TensorIOMode.INPUT, DataType.FLOAT, (-1, 3, -1, -1)),
        "image2": (TensorIOMode.INPUT, DataType.HALF, (-1, 3, -1, -1)),
        "flow": (TensorIOMode.OUTPUT, DataType.FLOAT, (-1, 2, -1, -1)),
    }
    shapes = {
        0: [(1, 3, 64, 64), (1, 3, 448, 1024), (4, 3, 1088, 1920)],
        1: [(1, 3, 64, 64)] * 3,
    }

    def information(form: LayerInformationFormat) -> str:
        assert form is LayerInformationFormat.JSON
        return json.dumps({"Layers": layers, "Bindings": list(tensors)}) if layers else ""

    def profile_shape(name: str, profile: int) -> list[tuple[int, ...]]:
        assert tensors[name][0] is TensorIOMode.INPUT, "only inputs have profiles"
        return shapes[profile]

    def stat(which: EngineStat) -> int:
        assert which is EngineStat.TOTAL_WEIGHTS_SIZE
        return 30_000_000

    inspector = Strict("EngineInspector", INSPECTOR_NAMES, get_engine_information=information)
    return Strict(
        "ICudaEngine",
        ENGINE_NAMES,
        create_engine_inspector=lambda: inspector,
        device_memory_size_v2=700_000_000,
        get_device_memory_size_for_profile_v2=lambda profile: (700_000_000, 5_000_000)[profile],
        get_engine_stat=stat,
        get_tensor_dtype=lambda name: tensors[name][1],
        get_tensor_mode=lambda name: tensors[name][0],
        get_tensor_name=lambda index: list(tensors)[index],
        get_tensor_profile_shape=profile_shape,
        get_tensor_shape=lambda name: tensors[name][2],
        hardware_compatibility_level=Level.SAME_COMPUTE_CAPABILITY,
        name="flow model",
        num_aux_streams=2,
        num_io_tensors=len(tensors),
        num_layers=len(layers),
        num_optimization_profiles=len(shapes),
        refittable=False,
    )
