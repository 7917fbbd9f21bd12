"""TensorRT's runtime, and the engine that it makes of a plan."""

import json
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from tests.tensorrt_model.evaluation import Evaluation
from tests.tensorrt_model.plan import Plan
from tests.tensorrt_model.strict import Strict, use_logger


class Lived(Strict):
    """Has to be destroyed in order, while its device is current."""

    def _destroyed(self, what: str, before: tuple[str, ...], device: int | None = None) -> None:
        # Raising here would be swallowed.
        if device not in (None, self._state.machine.current):
            self._state.violations.append(f"the {what} was destroyed while another device was current")
        living = self._state.living
        living.remove(what)
        self._state.violations += [
            f"the {what} was destroyed before a {each}" for each in before if each in living
        ]


class Runtime(Lived):
    def __init__(self, state: SimpleNamespace, logger: Any) -> None:
        use_logger(state, logger)
        self._state = state
        self._allowed = False
        state.living.append("runtime")

    def __del__(self) -> None:
        self._destroyed("runtime", before=("engine", "context"))

    @property
    def engine_host_code_allowed(self) -> bool:
        return self._allowed

    @engine_host_code_allowed.setter
    def engine_host_code_allowed(self, allowed: bool) -> None:
        self._allowed = self._state.host_code = allowed

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> "ICudaEngine | None":
        try:
            plan = Plan.from_bytes(serialized_engine)
        except ValueError:
            return self._tell("Serialization assertion magicTagRead == kMAGIC_TAG failed.")
        if plan.flavour != self._state.flavour:
            return self._tell("Serialization assertion magicTagRead == kMAGIC_TAG failed.")
        version, found = self._state.trt.__version__, self._state.capability
        if plan.version != version:
            return self._tell(
                "The engine plan file is not compatible with this version of TensorRT, expecting library "
                f"version {version} got {plan.version}, please rebuild."
            )
        if not _runs_on(plan, found):
            return self._tell(
                "The engine plan file is generated on an incompatible device, expecting compute "
                f"{found} got compute {', '.join(plan.capabilities)}, please rebuild."
            )
        if plan.libraries and not self._allowed:
            return self._tell("Engine host code is not allowed.")
        if plan.plugin == "library" and not plan.libraries:
            return self._tell("Cannot find plugin: LocalCorrelation, version: 1, namespace: dinoflow.")
        return self._state.trt_classes["ICudaEngine"](self._state, plan)


def _runs_on(plan: Plan, capability: str) -> bool:
    if plan.settings["hardware_compatibility_level"] == "AMPERE_PLUS":
        return float(capability) >= 8
    return capability in plan.capabilities


class ICudaEngine(Lived):
    def __init__(self, state: SimpleNamespace, plan: Plan) -> None:
        self._state = state
        self._plan = plan
        self._device = state.machine.current
        state.living.append("engine")

    def __del__(self) -> None:
        self._destroyed("engine", before=("context",), device=self._device)

    @property
    def name(self) -> str:
        return self._plan.name

    @property
    def num_layers(self) -> int:
        return len(self._plan.layers)

    @property
    def num_io_tensors(self) -> int:
        return len(self._plan.tensors)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._plan.profiles)

    @property
    def num_aux_streams(self) -> int:
        return self._plan.streams

    @property
    def refittable(self) -> bool:
        return False

    @property
    def hardware_compatibility_level(self) -> Any:
        return self._state.trt.HardwareCompatibilityLevel[self._plan.settings["hardware_compatibility_level"]]

    @property
    def device_memory_size_v2(self) -> int:
        return max(self._plan.memory)

    def get_device_memory_size_for_profile_v2(self, profile_index: int) -> int:
        return self._plan.memory[profile_index]

    def get_engine_stat(self, stat: Any) -> int:
        assert stat is self._state.trt.EngineStat.TOTAL_WEIGHTS_SIZE
        return self._plan.weights

    def get_tensor_name(self, index: int) -> str:
        return list(self._plan.tensors)[index]

    def get_tensor_mode(self, name: str) -> Any:
        return self._state.trt.TensorIOMode[self._plan.tensors[name][0]]

    def get_tensor_dtype(self, name: str) -> Any:
        return self._state.trt.DataType[self._plan.tensors[name][1]]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._plan.tensors[name][2]

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        assert self.get_tensor_mode(name).name == "INPUT", "only inputs have profiles"
        return [tuple(corner) for corner in self._plan.profiles[profile_index][name]]

    def create_engine_inspector(self) -> "EngineInspector":
        return EngineInspector(self._state, self._plan)

    def create_execution_context(self) -> Any:
        if "create_execution_context" in self._state.fail:
            return self._tell(self._state.fail["create_execution_context"])
        assert self._state.machine.current == self._device
        self._state.contexts += 1
        return self._state.trt_classes["IExecutionContext"](self._state, self)

    @cached_property
    def _evaluation(self) -> Evaluation:
        return Evaluation(self._plan.onnx)


class EngineInspector(Strict):
    def __init__(self, state: SimpleNamespace, plan: Plan) -> None:
        self._state, self._plan = state, plan

    def get_engine_information(self, format: Any) -> str:  # noqa: A002 - TensorRT's name
        assert format is self._state.trt.LayerInformationFormat.JSON
        layers = list(self._plan.layers)
        return json.dumps({"Layers": layers, "Bindings": list(self._plan.tensors)}) if layers else ""
