"""A model of cuda-python's CUDA runtime: small, strict, and as lazy as a GPU.

Work put on a stream is done when something waits for it, so that whoever reads too early, overwrites too
early or forgets to wait gets NaN, with which all memory is filled when it is allocated and freed. Memory is
never handed out twice. What a GPU may do silently is refused: unpinned host memory, a closed stream, a graph
whose context has changed.
"""

# The names are CUDA's.
# ruff: noqa: N802, N815, N816

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from math import nan
from types import SimpleNamespace
from typing import Any

import numpy as np

cudaError_t = IntEnum(
    "cudaError_t",
    {
        "cudaSuccess": 0,
        "cudaErrorInvalidValue": 1,
        "cudaErrorMemoryAllocation": 2,
        "cudaErrorInsufficientDriver": 35,
        "cudaErrorNoDevice": 100,
        "cudaErrorInvalidDevice": 101,
        "cudaErrorInvalidResourceHandle": 400,
        "cudaErrorIllegalAddress": 700,
        "cudaErrorStreamCaptureUnsupported": 900,
        "cudaErrorStreamCaptureInvalidated": 901,
    },
)
OK = (cudaError_t.cudaSuccess,)
ALIGNMENT = 256
Work = Callable[[], None]
# The default stream by its three names.
_DEFAULT = (0, 1, 2)


class CudaError(Exception):
    """Why a call failed, for the fake alone."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = cudaError_t[code]


def _nothing() -> None:
    """Takes the place of work that is done, which held what it needed."""


@dataclass
class Memory:
    kind: str
    device: int
    size: int
    values: Any
    alive: bool = True

    @property
    def address(self) -> int:
        """Aligned as CUDA aligns it; there is room for that."""
        return -(-ctypes.addressof(self.values) // ALIGNMENT) * ALIGNMENT

    def array(self, count: int) -> np.ndarray:
        first = (self.address - ctypes.addressof(self.values)) // 4
        return np.ctypeslib.as_array(self.values)[first : first + count]


@dataclass
class FakeStream:
    device: int
    work: list[Work] = field(default_factory=list)
    done: int = 0
    captured: list[Work] | None = None
    broken: bool = False
    alive: bool = True

    def put(self, work: Work) -> None:
        (self.work if self.captured is None else self.captured).append(work)

    def run(self, until: int) -> None:
        while self.done < until:
            self.done += 1
            work, self.work[self.done - 1] = self.work[self.done - 1], _nothing
            work()


@dataclass
class FakeGraph:
    work: list[Work]
    alive: bool = True

    def destroy(self) -> None:
        assert self.alive
        self.alive, self.work = False, []


class FakeMachine:
    """The state behind the functions: what tests look at and change."""

    def __init__(self, capabilities: tuple[tuple[int, int], ...] = ((9, 0),)) -> None:
        self.capabilities = capabilities
        self.memory: list[Memory] = []
        self.streams: dict[int, FakeStream] = {handle: FakeStream(0) for handle in _DEFAULT}
        self.graphs: list[FakeGraph] = []
        self.launches = 0
        self.events = 0
        self.captures = 0
        self.free_bytes = 1 << 30
        self.fail: dict[str, str] = {}
        self.lock = threading.RLock()
        self._current = threading.local()
        self._next_handle = 0x1000

    @property
    def current(self) -> int:
        return getattr(self._current, "device", 0)

    @current.setter
    def current(self, index: int) -> None:
        self._current.device = index

    def new_handle(self) -> int:
        self._next_handle += 16
        return self._next_handle

    def allocate(self, kind: str, size: int) -> Memory:
        self.check_not_capturing()
        if size > self.free_bytes:
            raise CudaError("cudaErrorMemoryAllocation")
        memory = Memory(kind, self.current, size, (ctypes.c_float * ((size + ALIGNMENT) // 4))())
        memory.array(size // 4)[:] = nan
        self.free_bytes -= size
        self.memory.append(memory)
        return memory

    def release(self, kind: str, address: int) -> None:
        memory = self.find(address, 0)
        if memory is None or memory.kind != kind or memory.address != address:
            raise CudaError("cudaErrorInvalidValue")
        if kind == "device":
            # As CUDA does: memory is not given back while a stream may be using it.
            for stream in self.streams.values():
                stream.run(len(stream.work))
        memory.alive = False
        memory.array(memory.size // 4)[:] = nan
        self.free_bytes += memory.size

    def find(self, address: int, size: int) -> Memory | None:
        for memory in self.memory:
            if memory.alive and memory.address <= address and address + size <= memory.address + memory.size:
                return memory
        return None

    def floats(self, address: int, size: int) -> np.ndarray:
        memory = self.find(address, size)
        if memory is None:
            raise CudaError("cudaErrorIllegalAddress")
        first = (address - memory.address) // 4
        return memory.array(memory.size // 4)[first : first + size // 4]

    def stream(self, handle: Any) -> FakeStream:
        found = self.streams.get(int(handle))
        if found is None or not found.alive:
            raise CudaError("cudaErrorInvalidResourceHandle")
        return found

    def check_not_capturing(self) -> None:
        """In the thread-local mode, what a capturing thread may not do."""
        if getattr(self._current, "capturing", None) is not None:
            self._current.capturing.broken = True
            raise CudaError("cudaErrorStreamCaptureUnsupported")

    def begin_capture(self, stream: FakeStream) -> None:
        stream.captured, stream.broken, self._current.capturing = [], False, stream

    def end_capture(self, stream: FakeStream) -> FakeGraph:
        work, stream.captured, self._current.capturing = stream.captured, None, None
        if work is None or stream.broken:
            raise CudaError("cudaErrorStreamCaptureInvalidated")
        self.captures += 1
        graph = FakeGraph(work)
        self.graphs.append(graph)
        return graph

    def leaks(self) -> list[str]:
        """Everything that was not given back."""
        streams = [f"stream {handle}" for handle, each in self.streams.items() if handle > 2 and each.alive]
        graphs = ["graph" for graph in self.graphs if graph.alive]
        memory = [f"{each.kind} memory of {each.size}" for each in self.memory if each.alive]
        return [*streams, *graphs, *memory, *["event"] * self.events]


def _guarded(function: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    """Make errors of a model of a function codes, as cuda-python does."""

    def call(self: "FakeRuntime", *arguments: Any) -> tuple[Any, ...]:
        machine = self._machine
        with machine.lock:
            try:
                if function.__name__ in machine.fail:
                    raise CudaError(machine.fail[function.__name__])
                return function(self, *arguments)
            except CudaError as error:
                return error.code, None

    call.__name__ = function.__name__
    return call


class FakeRuntime:
    """What ``cuda.bindings.runtime`` holds, of it what is modelled: no public name beyond."""

    cudaError_t = cudaError_t
    cudaStreamNonBlocking = 1
    cudaEventDisableTiming = 2
    cudaMemcpyKind = IntEnum("cudaMemcpyKind", {"cudaMemcpyDefault": 4})
    cudaMemoryType = IntEnum(
        "cudaMemoryType",
        {
            "cudaMemoryTypeUnregistered": 0,
            "cudaMemoryTypeHost": 1,
            "cudaMemoryTypeDevice": 2,
            "cudaMemoryTypeManaged": 3,
        },
    )
    cudaDeviceAttr = IntEnum(
        "cudaDeviceAttr", {"cudaDevAttrComputeCapabilityMajor": 75, "cudaDevAttrComputeCapabilityMinor": 76}
    )
    cudaStreamCaptureMode = IntEnum("cudaStreamCaptureMode", {"cudaStreamCaptureModeThreadLocal": 1})

    def __init__(self, machine: FakeMachine) -> None:
        self._machine = machine

    def cudaGetErrorString(self, error: Any) -> tuple[Any, ...]:
        return *OK, f"text of {error.name}".encode()

    @_guarded
    def cudaGetDeviceCount(self) -> tuple[Any, ...]:
        if not self._machine.capabilities:
            raise CudaError("cudaErrorNoDevice")
        return *OK, len(self._machine.capabilities)

    @_guarded
    def cudaGetDevice(self) -> tuple[Any, ...]:
        return *OK, self._machine.current

    @_guarded
    def cudaSetDevice(self, index: int) -> tuple[Any, ...]:
        if index >= len(self._machine.capabilities):
            raise CudaError("cudaErrorInvalidDevice")
        self._machine.current = index
        return OK

    @_guarded
    def cudaDeviceGetAttribute(self, attribute: Any, device: int) -> tuple[Any, ...]:
        return *OK, self._machine.capabilities[device][attribute - 75]

    @_guarded
    def cudaMalloc(self, size: int) -> tuple[Any, ...]:
        return *OK, self._machine.allocate("device", size).address

    @_guarded
    def cudaHostAlloc(self, size: int, flags: int) -> tuple[Any, ...]:
        assert flags == 0
        return *OK, self._machine.allocate("pinned", size).address

    @_guarded
    def cudaFree(self, address: int) -> tuple[Any, ...]:
        self._machine.release("device", address)
        return OK

    @_guarded
    def cudaFreeHost(self, address: int) -> tuple[Any, ...]:
        self._machine.release("pinned", address)
        return OK

    @_guarded
    def cudaPointerGetAttributes(self, address: int) -> tuple[Any, ...]:
        memory = self._machine.find(address, 4)
        kinds = {None: 0, "pinned": 1, "device": 2}
        kind = self.cudaMemoryType(kinds[memory.kind if memory else None])
        return *OK, SimpleNamespace(type=kind, device=memory.device if memory else -2)

    @_guarded
    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        assert flags == self.cudaStreamNonBlocking, "waits for the default stream"
        handle = self._machine.new_handle()
        self._machine.streams[handle] = FakeStream(self._machine.current)
        return *OK, handle

    @_guarded
    def cudaStreamDestroy(self, handle: Any) -> tuple[Any, ...]:
        self._machine.stream(handle).alive = False
        return OK

    @_guarded
    def cudaStreamSynchronize(self, handle: Any) -> tuple[Any, ...]:
        self._machine.check_not_capturing()
        stream = self._machine.stream(handle)
        stream.run(len(stream.work))
        return OK

    @_guarded
    def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: Any, handle: Any) -> tuple[Any, ...]:
        assert kind == self.cudaMemcpyKind.cudaMemcpyDefault
        machine = self._machine
        for address in (target, source):
            if machine.find(address, size) is None:
                raise CudaError("cudaErrorInvalidValue")

        def copy() -> None:
            machine.floats(target, size)[:] = machine.floats(source, size)

        machine.stream(handle).put(copy)
        return OK

    @_guarded
    def cudaEventCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        assert flags == self.cudaEventDisableTiming
        self._machine.events += 1
        return *OK, SimpleNamespace(stream=None, until=0, device=self._machine.current)

    @_guarded
    def cudaEventRecord(self, event: Any, handle: Any) -> tuple[Any, ...]:
        stream = self._machine.stream(handle)
        if int(handle) not in _DEFAULT and stream.device != event.device:
            raise CudaError("cudaErrorInvalidResourceHandle")
        event.stream = stream
        event.until = len(event.stream.work)
        return OK

    @_guarded
    def cudaStreamWaitEvent(self, handle: Any, event: Any, flags: int) -> tuple[Any, ...]:
        assert flags == 0
        other, until = event.stream, event.until
        self._machine.stream(handle).put(lambda: other.run(until))
        return OK

    @_guarded
    def cudaEventDestroy(self, event: Any) -> tuple[Any, ...]:
        self._machine.events -= 1
        return OK

    @_guarded
    def cudaStreamBeginCapture(self, handle: Any, mode: Any) -> tuple[Any, ...]:
        assert mode == self.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        if int(handle) in _DEFAULT:
            raise CudaError("cudaErrorStreamCaptureUnsupported")
        self._machine.begin_capture(self._machine.stream(handle))
        return OK

    @_guarded
    def cudaStreamEndCapture(self, handle: Any) -> tuple[Any, ...]:
        return *OK, self._machine.end_capture(self._machine.stream(handle))

    @_guarded
    def cudaGraphInstantiate(self, graph: FakeGraph, flags: int) -> tuple[Any, ...]:
        assert flags == 0
        assert graph.alive
        executable = FakeGraph(graph.work)
        self._machine.graphs.append(executable)
        return *OK, executable

    @_guarded
    def cudaGraphLaunch(self, executable: FakeGraph, handle: Any) -> tuple[Any, ...]:
        if not executable.alive:
            raise CudaError("cudaErrorInvalidResourceHandle")
        self._machine.launches += 1
        for work in executable.work:
            self._machine.stream(handle).put(work)
        return OK

    @_guarded
    def cudaGraphDestroy(self, graph: FakeGraph) -> tuple[Any, ...]:
        graph.destroy()
        return OK

    @_guarded
    def cudaGraphExecDestroy(self, executable: FakeGraph) -> tuple[Any, ...]:
        executable.destroy()
        return OK
