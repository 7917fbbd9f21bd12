"""A model of TensorRT's runtime on :mod:`fake_cuda`: small and strict.

Its classes have no public name that the real ones lack (``test_conformance`` holds them to that). A plan is
JSON, as :func:`plan_bytes` writes it; the model in it is flow = (red, green) of 255 * (image2 - image1).
"""

import json
import weakref
from collections.abc import Sequence
from enum import Enum, IntEnum
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.engines.tensorrt.fake_cuda import ALIGNMENT, CudaError, FakeMachine

Profile = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Least, optimal and greatest ``[batch, height, width]``."""
DYNAMIC: Profile = ((1, 64, 64), (1, 96, 128), (4, 256, 256))
STATIC: Profile = ((1, 96, 128), (1, 96, 128), (1, 96, 128))
TENSORS = {"image1": ("INPUT", "FLOAT", 3), "image2": ("INPUT", "FLOAT", 3), "flow": ("OUTPUT", "FLOAT", 2)}


def plan_bytes(*profiles: Profile, **changes: Any) -> bytes:
    """A plan; ``changes`` override ``version``, ``capability``, ``host_code``, ``plugin`` and ``tensors``."""
    content = {
        "magic": "fake plan",
        "version": "11.4.0.106",
        "capability": [9, 0],
        "host_code": False,
        "plugin": True,
        "tensors": TENSORS,
        "profiles": profiles or (DYNAMIC,),
    }
    return json.dumps(content | changes).encode()


class Severity(Enum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class ILogger:
    INTERNAL_ERROR = Severity.INTERNAL_ERROR
    ERROR = Severity.ERROR
    WARNING = Severity.WARNING
    INFO = Severity.INFO
    VERBOSE = Severity.VERBOSE

    def log(self, severity: Severity, msg: str) -> None:
        raise NotImplementedError


DataType = IntEnum("DataType", {"FLOAT": 0, "HALF": 1, "BF16": 7})
TensorIOMode = IntEnum("TensorIOMode", {"NONE": 0, "INPUT": 1, "OUTPUT": 2})


class FakeTensorRT:
    """The module ``tensorrt``, and beside it what tests look at and change, in ``state``."""

    def __init__(self, machine: FakeMachine, version: str = "11.4.0.106") -> None:
        self.__name__ = "tensorrt"
        self.__version__ = version
        self.ILogger = ILogger
        self.DataType = DataType
        self.TensorIOMode = TensorIOMode
        self.state = state = SimpleNamespace(
            machine=machine,
            version=version,
            logger=None,
            fail=set(),
            contexts=0,
            living=[],
            host_code=None,
            violations=[],
        )

        class Module(Runtime):
            def __new__(cls, logger: ILogger) -> "Module":
                if "Runtime" in state.fail:
                    logger.log(Severity.ERROR, "CUDA initialization failure with error: 35")
                    raise TypeError("pybind11::init(): factory function returned nullptr")
                return super().__new__(cls)

            def __init__(self, logger: ILogger) -> None:
                super().__init__(state, logger)

        self.Runtime = Module


class Strict:
    """Refuses to be given attributes that its class does not have."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(f"TensorRT's {type(self).__name__} has no {name}")
        super().__setattr__(name, value)

    def _tell(self, text: str) -> None:
        self._state.logger.log(Severity.ERROR, text)

    def _destroyed(self, what: str, before: tuple[str, ...], device: int | None = None) -> None:
        # Raising here would be swallowed.
        if device not in (None, self._state.machine.current):
            self._state.violations.append(f"the {what} was destroyed while another device was current")
        living = self._state.living
        living.remove(what)
        self._state.violations += [
            f"the {what} was destroyed before a {each}" for each in before if each in living
        ]


class Runtime(Strict):
    def __init__(self, state: SimpleNamespace, logger: ILogger) -> None:
        self._state = state
        self._allowed = False
        # The first logger of a process is kept.
        state.logger = state.logger or logger
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
            plan = json.loads(serialized_engine)
        except ValueError:
            return self._tell("Serialization assertion magicTagRead == kMAGIC_TAG failed.")
        machine = self._state.machine
        if plan["version"] != self._state.version:
            return self._tell(
                "The engine plan file is not compatible with this version of TensorRT, expecting library "
                f"version {self._state.version} got {plan['version']}, please rebuild."
            )
        found = machine.capabilities[machine.current]
        if tuple(plan["capability"]) != found:
            return self._tell(
                "The engine plan file is generated on an incompatible device, expecting compute "
                f"{found} got compute {plan['capability']}, please rebuild."
            )
        if plan["host_code"] and not self._allowed:
            return self._tell("Engine host code is not allowed.")
        if not plan["plugin"]:
            return self._tell("Cannot find plugin: LocalCorrelation, version: 1, namespace: dinoflow.")
        return ICudaEngine(self._state, plan)


class ICudaEngine(Strict):
    def __init__(self, state: SimpleNamespace, plan: dict[str, Any]) -> None:
        self._state = state
        self._plan = plan
        self._device = state.machine.current
        state.living.append("engine")

    def __del__(self) -> None:
        self._destroyed("engine", before=("context",), device=self._device)

    @property
    def num_io_tensors(self) -> int:
        return len(self._plan["tensors"])

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._plan["profiles"])

    def get_tensor_name(self, index: int) -> str:
        return list(self._plan["tensors"])[index]

    def get_tensor_mode(self, name: str) -> Any:
        return TensorIOMode[self._plan["tensors"][name][0]]

    def get_tensor_dtype(self, name: str) -> Any:
        return DataType[self._plan["tensors"][name][1]]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        batch, height, width = (
            lengths[0] if len(set(lengths)) == 1 else -1
            for lengths in zip(
                *(corner for profile in self._plan["profiles"] for corner in profile), strict=True
            )
        )
        return batch, self._plan["tensors"][name][2], height, width

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        assert self.get_tensor_mode(name) == TensorIOMode.INPUT
        channels = self._plan["tensors"][name][2]
        return [(corner[0], channels, *corner[1:]) for corner in self._plan["profiles"][profile_index]]

    def create_execution_context(self) -> "IExecutionContext | None":
        if "create_execution_context" in self._state.fail:
            return self._tell("Requested amount of GPU memory could not be allocated.")
        assert self._state.machine.current == self._device
        self._state.contexts += 1
        return IExecutionContext(self._state, self, self._plan)


class IExecutionContext(Strict):
    def __init__(self, state: SimpleNamespace, engine: ICudaEngine, plan: dict[str, Any]) -> None:
        self._state = state
        self._plan = plan
        self._device = engine._device
        self._profile = 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._pending = 0
        self._ran: set[tuple[int, ...]] = set()
        self._changes = 0
        state.living.append("context")

    def __del__(self) -> None:
        if self._pending:
            self._state.violations.append("a context was destroyed while it computed")
        self._destroyed("context", before=(), device=self._device)

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        self._check_stream(stream_handle)
        if not 0 <= profile_index < len(self._plan["profiles"]):
            return self._refuse(f"no profile {profile_index}")
        self._change()
        self._profile = profile_index
        # The real one does not say what it keeps.
        self._shapes, self._addresses = {}, {}
        return True

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        mode, _, channels = self._plan["tensors"][name]
        least, _, most = self._plan["profiles"][self._profile]
        held = all(
            low <= length <= high
            for low, length, high in zip(least, (shape[0], *shape[2:]), most, strict=True)
        )
        if mode != "INPUT" or shape[1] != channels or not held:
            return self._refuse(f"{name}: {shape} is outside profile {self._profile}")
        self._change()
        self._shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        if name in self._shapes:
            return self._shapes[name]
        batch, _, height, width = self._shapes.get("image1", (-1,) * 4)
        return batch, self._plan["tensors"][name][2], height, width

    def set_tensor_address(self, name: str, memory: int) -> bool:
        assert name in self._plan["tensors"]
        if memory % ALIGNMENT:
            return self._refuse(f"{name}: the address is not aligned")
        self._change()
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        stream = self._check_stream(stream_handle)
        assert self._state.machine.current == self._device == stream.device
        if "execute_async_v3" in self._state.fail:
            return self._refuse("a kernel could not be launched")
        shape = self._shapes.get("image1")
        if shape is None or self._shapes.get("image2") != shape:
            return self._refuse("not all shapes are specified, or they differ")
        if set(self._addresses) != set(self._plan["tensors"]):
            return self._refuse("not all addresses are set")
        if stream.captured is not None and shape not in self._ran:
            stream.broken = True
            return self._refuse("work that was deferred cannot be captured")
        if self._pending:
            return self._refuse("the context is in use")
        self._ran.add(shape)
        self._put(stream, shape)
        return True

    def _put(self, stream: Any, shape: tuple[int, ...]) -> None:
        addresses, changes, captured = dict(self._addresses), self._changes, stream.captured is not None
        # The work does not keep the context, as a GPU does not.
        owner = weakref.ref(self)

        def compute() -> None:
            context = owner()
            if context is None or (captured and changes != context._changes):
                raise CudaError("cudaErrorIllegalAddress")
            context._pending -= not captured
            image1, image2 = (context._device_floats(addresses[name], shape) for name in ("image1", "image2"))
            flow = context._device_floats(addresses["flow"], (shape[0], 2, *shape[2:]))
            flow[:] = (np.float32(255) * (image2 - image1))[:, :2]

        self._pending += not captured
        stream.put(compute)

    def _device_floats(self, address: int, shape: tuple[int, ...]) -> np.ndarray:
        machine = self._state.machine
        size = 4 * int(np.prod(shape))
        memory = machine.find(address, size)
        if memory is None or memory.kind != "device":
            raise CudaError("cudaErrorIllegalAddress")
        return machine.floats(address, size).reshape(shape)

    def _check_stream(self, handle: int) -> Any:
        assert handle > 2, "the default stream"
        return self._state.machine.stream(handle)

    def _change(self) -> None:
        assert not self._pending, "changed while it computes"
        self._changes += 1

    def _refuse(self, text: str) -> bool:
        self._tell(text)
        return False
