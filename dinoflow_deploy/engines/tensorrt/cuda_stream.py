"""Work in order on the device: a stream, and a graph that replays what was put on it."""

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from dinoflow_deploy.engines.tensorrt.cuda import Cuda


class Graph:
    """Work that was recorded once and is launched as a whole; given back when closed or forgotten.

    Args:
        cuda: The runtime.
        executable: Handle of the instantiated graph, which this object owns.
    """

    def __init__(self, cuda: Cuda, executable: object) -> None:
        self._cuda = cuda
        self._executable = executable
        self._destroy = weakref.finalize(self, cuda.attempt, "cudaGraphExecDestroy", executable)

    def launch(self, stream: "Stream") -> None:
        """Put the work on a stream."""
        self._cuda.call("cudaGraphLaunch", self._executable, stream.handle)

    def close(self) -> None:
        """Give it back; may be called again."""
        self._destroy()


class Stream:
    """A stream of the current device that does not wait for the default one; given back as a graph is.

    Attributes:
        handle: What CUDA and TensorRT take.
    """

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        flags = cuda.constant("cudaStreamNonBlocking")
        self.handle = int(cuda.call("cudaStreamCreateWithFlags", flags))
        self._destroy = weakref.finalize(self, cuda.attempt, "cudaStreamDestroy", self.handle)

    def copy(self, target: int, source: int, size: int) -> None:
        """Copy bytes between any two addresses, of the host or the device; pageable host memory waits."""
        kind = self._cuda.constant("cudaMemcpyKind.cudaMemcpyDefault")
        self._cuda.call("cudaMemcpyAsync", target, source, size, kind, self.handle)

    def wait_for(self, other: int) -> None:
        """Let what follows here wait for everything that is on another stream now."""
        flags = self._cuda.constant("cudaEventDisableTiming")
        event = self._cuda.call("cudaEventCreateWithFlags", flags)
        try:
            self._cuda.call("cudaEventRecord", event, other)
            self._cuda.call("cudaStreamWaitEvent", self.handle, event, 0)
        finally:
            # CUDA keeps what is recorded and waited for.
            self._cuda.attempt("cudaEventDestroy", event)

    def capture(self, put: Callable[[], None]) -> Graph:
        """Record what ``put`` puts on this stream, without running it.

        Other threads may use CUDA meanwhile: only what this thread does is restricted.

        Raises:
            EngineError: ``put`` does what cannot be recorded.
        """
        mode = self._cuda.constant("cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal")
        with _GARBAGE.kept():
            self._cuda.call("cudaStreamBeginCapture", self.handle, mode)
            try:
                put()
            except BaseException:
                self._abandon_capture()
                raise
            graph = self._cuda.call("cudaStreamEndCapture", self.handle)
        try:
            return Graph(self._cuda, self._cuda.call("cudaGraphInstantiate", graph, 0))
        finally:
            self._cuda.attempt("cudaGraphDestroy", graph)

    def synchronize(self) -> None:
        """Wait until everything on it is done.

        Raises:
            EngineError: Some of it failed.
        """
        self._cuda.call("cudaStreamSynchronize", self.handle)

    def drain(self) -> None:
        """Wait as well, where whatever failed was told already."""
        self._cuda.attempt("cudaStreamSynchronize", self.handle)

    def close(self) -> None:
        """Give it back; may be called again."""
        self._destroy()

    def _abandon_capture(self) -> None:
        """End a recording, of which nothing is kept; its own failure would hide the cause."""
        graph = self._cuda.attempt("cudaStreamEndCapture", self.handle)
        if graph is not None and int(graph):
            self._cuda.attempt("cudaGraphDestroy", graph)


class _Garbage:
    """Python's garbage collector, which may be told to wait.

    It may free memory of the device in whatever thread it runs, which CUDA refuses to one that records, and
    the recording is lost.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._keepers = 0
        self._was_enabled = False

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Collect nothing meanwhile, in any thread."""
        with self._lock:
            if not self._keepers:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._keepers += 1
        try:
            yield
        finally:
            with self._lock:
                self._keepers -= 1
                if not self._keepers and self._was_enabled:
                    gc.enable()


_GARBAGE = _Garbage()
