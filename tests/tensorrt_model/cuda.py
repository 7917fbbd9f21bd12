"""``cuda.bindings.runtime``, of it what the package calls."""

# The names are CUDA's.
# ruff: noqa: N802, N815

from collections.abc import Callable
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

from tests.tensorrt_model.machine import DEFAULT_STREAMS, CudaError, Graph, Machine, cudaError_t
from tests.tensorrt_model.schedule import Wait

OK = (cudaError_t.cudaSuccess,)


def _guarded(function: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    """Make errors of a model of a function codes, as cuda-python does."""

    def call(self: "CudaRuntime", *arguments: Any) -> tuple[Any, ...]:
        machine = self._machine
        with machine.lock:
            try:
                if function.__name__ in machine.fail:
                    raise CudaError(machine.fail[function.__name__])
                machine.pass_time()
                return function(self, *arguments)
            except CudaError as error:
                return error.code, None

    call.__name__ = function.__name__
    return call


class CudaRuntime:
    """The module: no public name beyond the real one's. What a GPU may do silently is refused."""

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

    def __init__(self, machine: Machine) -> None:
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
        return *OK, self._machine.new_stream()

    @_guarded
    def cudaStreamDestroy(self, handle: Any) -> tuple[Any, ...]:
        self._machine.stream(handle).alive = False
        return OK

    @_guarded
    def cudaStreamSynchronize(self, handle: Any) -> tuple[Any, ...]:
        self._machine.check_not_capturing()
        self._machine.wait_for(self._machine.stream(handle))
        return OK

    @_guarded
    def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: Any, handle: Any) -> tuple[Any, ...]:
        assert kind == self.cudaMemcpyKind.cudaMemcpyDefault
        machine = self._machine
        for address in (target, source):
            # Pageable memory of the host would be copied at once or late, as CUDA likes.
            if machine.find(address, size) is None:
                raise CudaError("cudaErrorInvalidValue")

        def copy() -> None:
            machine.floats(target, size)[:] = machine.floats(source, size)

        machine.put(machine.stream(handle), copy)
        return OK

    @_guarded
    def cudaEventCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        assert flags == self.cudaEventDisableTiming
        self._machine.events += 1
        return *OK, SimpleNamespace(stream=None, until=0, device=self._machine.current)

    @_guarded
    def cudaEventRecord(self, event: Any, handle: Any) -> tuple[Any, ...]:
        stream = self._machine.stream(handle)
        if int(handle) not in DEFAULT_STREAMS and stream.device != event.device:
            raise CudaError("cudaErrorInvalidResourceHandle")
        event.stream = stream
        event.until = len(event.stream.items)
        return OK

    @_guarded
    def cudaStreamWaitEvent(self, handle: Any, event: Any, flags: int) -> tuple[Any, ...]:
        assert flags == 0
        self._machine.put(self._machine.stream(handle), Wait(event.stream, event.until))
        return OK

    @_guarded
    def cudaEventDestroy(self, event: Any) -> tuple[Any, ...]:
        self._machine.events -= 1
        return OK

    @_guarded
    def cudaStreamBeginCapture(self, handle: Any, mode: Any) -> tuple[Any, ...]:
        assert mode == self.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        if int(handle) in DEFAULT_STREAMS:
            raise CudaError("cudaErrorStreamCaptureUnsupported")
        self._machine.begin_capture(self._machine.stream(handle))
        return OK

    @_guarded
    def cudaStreamEndCapture(self, handle: Any) -> tuple[Any, ...]:
        return *OK, self._machine.end_capture(self._machine.stream(handle))

    @_guarded
    def cudaGraphInstantiate(self, graph: Graph, flags: int) -> tuple[Any, ...]:
        assert flags == 0
        assert graph.alive
        executable = Graph(graph.items)
        self._machine.graphs.append(executable)
        return *OK, executable

    @_guarded
    def cudaGraphLaunch(self, executable: Graph, handle: Any) -> tuple[Any, ...]:
        if not executable.alive:
            raise CudaError("cudaErrorInvalidResourceHandle")
        self._machine.launches += 1
        for item in executable.items:
            self._machine.put(self._machine.stream(handle), item)
        return OK

    @_guarded
    def cudaGraphDestroy(self, graph: Graph) -> tuple[Any, ...]:
        graph.destroy()
        return OK

    @_guarded
    def cudaGraphExecDestroy(self, executable: Graph) -> tuple[Any, ...]:
        executable.destroy()
        return OK
