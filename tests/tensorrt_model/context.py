"""TensorRT's execution context: one run of a plan at a time, on a stream."""

import weakref
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.tensorrt_model.engine import ICudaEngine, Lived
from tests.tensorrt_model.machine import ALIGNMENT, DEFAULT_STREAMS, CudaError
from tests.tensorrt_model.schedule import Stream

Shape = tuple[int, ...]
_TYPES = {"FLOAT": np.float32, "UINT8": np.uint8}


class IExecutionContext(Lived):
    def __init__(self, state: SimpleNamespace, engine: ICudaEngine) -> None:
        self._state = state
        self._plan = engine._plan
        # Of the engine no more than what runs: the engine has to be kept by whoever uses the context.
        self._evaluation = engine._evaluation
        self._device = engine._device
        self._profile = 0
        self._shapes: dict[str, Shape] = {}
        self._addresses: dict[str, int] = {}
        self._pending = 0
        self._ran: set[tuple[Shape, ...]] = set()
        self._changes = 0
        state.living.append("context")

    def __del__(self) -> None:
        if self._pending:
            self._state.violations.append("a context was destroyed while it computed")
        self._destroyed("context", before=(), device=self._device)

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        self._check_stream(stream_handle)
        if not 0 <= profile_index < len(self._plan.profiles):
            return self._refuse(f"no profile {profile_index}")
        self._change()
        self._profile = profile_index
        # The real one does not say what it keeps.
        self._shapes, self._addresses = {}, {}
        return True

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        assert self._plan.tensors[name][0] == "INPUT"
        least, _, most = self._plan.profiles[self._profile][name]
        held = len(shape) == len(least) and all(
            low <= length <= high for low, length, high in zip(least, shape, most, strict=True)
        )
        if not held:
            return self._refuse(f"{name}: {shape} is outside profile {self._profile}")
        self._change()
        self._shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name: str) -> Shape:
        mode, _, shape = self._plan.tensors[name]
        if mode == "INPUT":
            return self._shapes.get(name, shape)
        known = {
            axis: length
            for each, lengths in self._shapes.items()
            for axis, length in zip(self._plan.axes[each], lengths, strict=True)
            if axis is not None
        }
        return tuple(
            known.get(axis, length) for axis, length in zip(self._plan.axes[name], shape, strict=True)
        )

    def set_tensor_address(self, name: str, memory: int) -> bool:
        assert name in self._plan.tensors
        if memory % ALIGNMENT:
            return self._refuse(f"{name}: the address is not aligned")
        self._change()
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        stream = self._check_stream(stream_handle)
        assert self._state.machine.current == self._device == stream.device
        if "execute_async_v3" in self._state.fail:
            return self._refuse(self._state.fail["execute_async_v3"])
        inputs = [name for name, (mode, _, _) in self._plan.tensors.items() if mode == "INPUT"]
        shapes = tuple(self.get_tensor_shape(name) for name in inputs)
        if any(-1 in shape for shape in shapes) or len(set(shapes)) > 1:
            return self._refuse("not all shapes are specified, or they differ")
        if set(self._addresses) != set(self._plan.tensors):
            return self._refuse("not all addresses are set")
        if stream.captured is not None and not self._may_be_captured(stream, shapes):
            return False
        if self._pending:
            return self._refuse("the context is in use")
        self._ran.add(shapes)
        self._put(stream)
        return True

    def _may_be_captured(self, stream: Stream, shapes: tuple[Shape, ...]) -> bool:
        if shapes in self._ran and "capture" not in self._state.fail:
            return True
        stream.broken = True
        return self._refuse(self._state.fail.get("capture", "work that was deferred cannot be captured"))

    def _put(self, stream: Stream) -> None:
        addresses, changes, captured = dict(self._addresses), self._changes, stream.captured is not None
        shapes = {name: self.get_tensor_shape(name) for name in self._plan.tensors}
        # The work does not keep the context, as a GPU does not.
        owner = weakref.ref(self)

        def compute() -> None:
            context = owner()
            if context is None or (captured and changes != context._changes):
                raise CudaError("cudaErrorIllegalAddress")
            context._pending -= not captured
            context._compute(addresses, shapes)

        self._pending += not captured
        self._state.machine.put(stream, compute)

    def _compute(self, addresses: dict[str, int], shapes: dict[str, Shape]) -> None:
        machine = self._state.machine
        tensors = self._plan.tensors
        arrays = {
            name: machine.device_values(addresses[name], shape, _TYPES[tensors[name][1]])
            for name, shape in shapes.items()
        }
        modes = {name: mode for name, (mode, _, _) in tensors.items()}
        inputs = {name: array for name, array in arrays.items() if modes[name] == "INPUT"}
        for name, result in self._evaluation.run(inputs).items():
            arrays[name][:] = result + np.float32(self._state.shift_px)

    def _check_stream(self, handle: int) -> Stream:
        assert handle not in DEFAULT_STREAMS
        return self._state.machine.stream(handle)

    def _change(self) -> None:
        assert not self._pending, "changed while it computes"
        self._changes += 1


class RtxExecutionContext(IExecutionContext):
    """TensorRT-RTX's, which says beforehand whether it can be recorded."""

    def is_stream_capturable(self, stream: Any) -> bool:
        return "capture" not in self._state.fail
