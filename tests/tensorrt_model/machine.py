"""The state behind CUDA's functions: GPUs, memory, streams, recordings. Tests look at it and change it.

Memory is full of NaN when it is allocated and freed, and never handed out twice, so that whoever reads too
early, overwrites too early or forgets to wait gets NaN.
"""

import ctypes
import threading
from dataclasses import dataclass
from enum import IntEnum
from math import nan
from typing import Any, Final

import numpy as np

from tests.tensorrt_model.schedule import Schedule, Stream, Wait, Work

ALIGNMENT: Final = 256
DEFAULT_STREAMS: Final = (0, 1, 2)
"""The default stream by its three names."""

cudaError_t = IntEnum(  # noqa: N816 - the name is CUDA's
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


class CudaError(Exception):
    """Why a call failed, within the model."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = cudaError_t[code]


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
class Graph:
    items: list[Work | Wait]
    alive: bool = True

    def __int__(self) -> int:
        return id(self)

    def destroy(self) -> None:
        assert self.alive
        self.alive, self.items = False, []


class Machine:
    """GPUs of these compute capabilities, which work in one of the ``ORDERS``.

    Attributes:
        fail: Name of the error that a function of the runtime is to give, by name of the function.
        free_bytes: Memory that is left, of GPUs and host together.
        failure: What work on a GPU has failed with, which every later wait tells.
    """

    def __init__(
        self, capabilities: tuple[tuple[int, int], ...] = ((9, 0),), order: str = "late", seed: str = ""
    ) -> None:
        self.capabilities = capabilities
        self.schedule = Schedule(order, seed)
        self.memory: list[Memory] = []
        self.streams: dict[int, Stream] = {handle: Stream(0) for handle in DEFAULT_STREAMS}
        self.graphs: list[Graph] = []
        self.launches = 0
        self.events = 0
        self.captures = 0
        self.free_bytes = 1 << 30
        self.fail: dict[str, str] = {}
        self.failure: CudaError | None = None
        self.lock = threading.RLock()
        self._thread = threading.local()
        self._next_handle = 0x1000

    @property
    def current(self) -> int:
        """The calling thread's device."""
        return getattr(self._thread, "device", 0)

    @current.setter
    def current(self, index: int) -> None:
        self._thread.device = index

    @property
    def is_capturing(self) -> bool:
        """Whether the calling thread is recording."""
        return getattr(self._thread, "capturing", None) is not None

    def new_stream(self) -> int:
        self._next_handle += 16
        self.streams[self._next_handle] = Stream(self.current)
        return self._next_handle

    def stream(self, handle: Any) -> Stream:
        found = self.streams.get(int(handle))
        if found is None or not found.alive:
            raise CudaError("cudaErrorInvalidResourceHandle")
        return found

    def put(self, stream: Stream, work: Work | Wait) -> None:
        with self.lock:
            stream.put(self._watched(work) if stream.captured is None else work)
            self.pass_time()

    def pass_time(self) -> None:
        self.schedule.pass_time(self.streams.values())

    def wait_for(self, stream: Stream) -> None:
        with self.lock:
            self.schedule.finish(stream, self.streams.values())
        if self.failure:
            raise self.failure

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
        self.check_not_capturing()
        memory = self.find(address, 0)
        if memory is None or memory.kind != kind or memory.address != address:
            raise CudaError("cudaErrorInvalidValue")
        if kind == "device":
            # As CUDA does: memory is not given back while a stream may be using it.
            for stream in self.streams.values():
                self.schedule.finish(stream, self.streams.values())
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

    def device_values(self, address: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        size = np.dtype(dtype).itemsize * int(np.prod(shape))
        memory = self.find(address, size)
        if memory is None or memory.kind != "device":
            raise CudaError("cudaErrorIllegalAddress")
        return self.floats(address, size).view(dtype).reshape(shape)

    def check_not_capturing(self) -> None:
        """In the thread-local mode, what a capturing thread may not do."""
        if self.is_capturing:
            self._thread.capturing.broken = True
            raise CudaError("cudaErrorStreamCaptureUnsupported")

    def begin_capture(self, stream: Stream) -> None:
        stream.captured, stream.broken, self._thread.capturing = [], False, stream

    def end_capture(self, stream: Stream) -> Graph:
        items, stream.captured, self._thread.capturing = stream.captured, None, None
        if items is None or stream.broken:
            raise CudaError("cudaErrorStreamCaptureInvalidated")
        self.captures += 1
        graph = Graph(items)
        self.graphs.append(graph)
        return graph

    def leaks(self) -> list[str]:
        """Everything that was not given back."""
        streams = [
            f"stream {handle}"
            for handle, each in self.streams.items()
            if handle not in DEFAULT_STREAMS and each.alive
        ]
        graphs = ["graph" for graph in self.graphs if graph.alive]
        memory = [f"{each.kind} memory of {each.size}" for each in self.memory if each.alive]
        return [*streams, *graphs, *memory, *["event"] * self.events]

    def _watched(self, work: Work | Wait) -> Work | Wait:
        """Work fails when nobody is there to hear it: whoever waits next is told."""
        if isinstance(work, Wait):
            return work

        def watched() -> None:
            try:
                work()
            except CudaError as error:
                self.failure = self.failure or error

        return watched
