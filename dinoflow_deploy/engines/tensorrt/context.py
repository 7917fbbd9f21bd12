"""One execution of a plan at a time: TensorRT's context, a stream, and memory for the tensors."""

from types import ModuleType
from typing import Any, Final

import numpy as np

from dinoflow_deploy.bundles.model_input import FLOW_TYPE
from dinoflow_deploy.engines.frames import Pictures, Tensor
from dinoflow_deploy.engines.tensorrt.cuda import Cuda
from dinoflow_deploy.engines.tensorrt.cuda_memory import Buffers, nbytes
from dinoflow_deploy.engines.tensorrt.cuda_stream import Graph, Stream
from dinoflow_deploy.engines.tensorrt.loaded_plan import LoadedPlan
from dinoflow_deploy.engines.tensorrt.profiles import Profiles
from dinoflow_deploy.errors import DeviceError, EngineError
from dinoflow_deploy.tensorrt.log import log_of

Shape = tuple[int, ...]
_FLOW: Final = "flow"


class ExecutionContext:
    """What one thread needs to run a plan; made and used while its device is current.

    Every call leaves the stream empty, or raises: then the context has to be closed.

    Args:
        trt: The module of TensorRT.
        cuda: The runtime.
        plan: What it runs.
        profiles: Shapes that it takes.
        cuda_graph: Record the first run's work and replay it afterwards. The plan must be static: a graph
            keeps the shapes and addresses that it was recorded with.

    Raises:
        EngineError: TensorRT cannot make a context; most often memory is out.
    """

    def __init__(
        self, trt: ModuleType, cuda: Cuda, plan: LoadedPlan, profiles: Profiles, *, cuda_graph: bool
    ) -> None:
        self._log = log_of(trt)
        with self._log.listen() as messages:
            self._context: Any = plan.engine.create_execution_context()
        # Python lets go of the context before the plan.
        self._plan = plan
        if self._context is None:
            raise EngineError(
                f"TensorRT cannot make an execution context: {messages.why()}; if memory is out, use a plan "
                "with a smaller range, or fewer threads"
            )
        self._profiles = profiles
        self._taken = profiles.taken
        self._cuda_graph = cuda_graph
        self._graph: Graph | None = None
        self._profile = 0
        self._shape: Shape | None = None
        self._addresses: dict[str, int] = {}
        self._buffers = {name: Buffers(cuda, self._taken.dtype) for name in self._taken.tensors}
        self._buffers[_FLOW] = Buffers(cuda, FLOW_TYPE)
        self.stream = Stream(cuda)

    def infer(self, images1: Pictures, images2: Pictures) -> Tensor:
        """Run on arrays of the host.

        Args:
            images1: As the plan takes them, C-contiguous.
            images2: The same shape.

        Returns:
            ``float32 [B, 2, H, W]``, an array of its own.

        Raises:
            InputError: The shape is in no profile.
            EngineError: TensorRT or CUDA failed.
        """
        shape = images1.shape
        profile = self._profiles.choose(*self._taken.lengths(shape))
        addresses = self._own_memory(shape)
        # The device copies the first images while the second are being put into pinned memory.
        for name, images in zip(self._taken.tensors, (images1, images2), strict=True):
            pinned = self._buffers[name].pinned(shape)
            np.copyto(pinned, images)
            self.stream.copy(addresses[name], pinned.ctypes.data, pinned.nbytes)
        self._compute(profile, shape, addresses)
        flow = self._buffers[_FLOW].pinned(self._taken.flow_shape(shape))
        self.stream.copy(flow.ctypes.data, addresses[_FLOW], flow.nbytes)
        self.stream.synchronize()
        return flow.copy()

    def infer_device(self, shape: Shape, image1: int, image2: int, flow: int) -> None:
        """Run on arrays of the device, in place; returns when the flow is complete.

        Args:
            shape: Of the images.
            image1: Address of the first ones.
            image2: Address of the second ones.
            flow: Address of room for ``[B, 2, H, W]``.

        Raises:
            InputError: The shape is in no profile.
            EngineError: TensorRT or CUDA failed.
        """
        profile = self._profiles.choose(*self._taken.lengths(shape))
        given = dict(zip(self._taken.tensors, (image1, image2), strict=True)) | {_FLOW: flow}
        # A graph works on the addresses that it was recorded with.
        used = self._own_memory(shape) if self._cuda_graph else given
        if used is not given:
            for name in self._taken.tensors:
                self.stream.copy(used[name], given[name], nbytes(shape, self._taken.dtype))
        self._compute(profile, shape, used)
        if used is not given:
            self.stream.copy(flow, used[_FLOW], nbytes(self._taken.flow_shape(shape), FLOW_TYPE))
        self.stream.synchronize()

    def close(self) -> None:
        """Give everything back, after what is still running; may not be called again."""
        self.stream.drain()
        if self._graph:
            self._graph.close()
        del self._context
        for buffers in self._buffers.values():
            buffers.close()
        self.stream.close()

    def _own_memory(self, shape: Shape) -> dict[str, int]:
        shapes: dict[str, Shape] = dict.fromkeys(self._taken.tensors, shape)
        shapes[_FLOW] = self._taken.flow_shape(shape)
        return {name: buffers.device(shapes[name]) for name, buffers in self._buffers.items()}

    def _compute(self, profile: int, shape: Shape, addresses: dict[str, int]) -> None:
        """Put one run on the stream."""
        if self._graph:
            self._graph.launch(self.stream)
            return
        self._bind(profile, shape, addresses)
        self._enqueue()
        if self._cuda_graph:
            # TensorRT settles what it defers on the first run, which no recording may hold.
            self.stream.synchronize()
            self._graph = self._record()

    def _bind(self, profile: int, shape: Shape, addresses: dict[str, int]) -> None:
        if profile != self._profile:
            self._shape, self._addresses = None, {}
            switched = self._context.set_optimization_profile_async(profile, self.stream.handle)
            self._check(switched, f"cannot switch to profile {profile}")
            self._profile = profile
        if shape != self._shape:
            self._set_shape(shape)
        for name, address in addresses.items():
            if address != self._addresses.get(name):
                taken = self._context.set_tensor_address(name, address)
                self._check(taken, f"does not take the memory of {name}")
        self._addresses = addresses

    def _set_shape(self, shape: Shape) -> None:
        for name in self._taken.tensors:
            self._check(self._context.set_input_shape(name, shape), f"does not take {name} of {list(shape)}")
        found = tuple(self._context.get_tensor_shape(_FLOW))
        due = self._taken.flow_shape(shape)
        if found != due:
            raise EngineError(
                f"the plan makes flow of {list(found)} from {self._taken.name} of {list(shape)}, where "
                f"{list(due)} is due: it is not a DinoFlow model, or was exported wrongly"
            )
        self._shape = shape

    def _enqueue(self) -> None:
        with self._log.listen() as messages:
            done = self._context.execute_async_v3(self.stream.handle)
        if not done:
            raise EngineError(f"TensorRT failed with {self._taken.name} of {self._shape}: {messages.why()}")

    def _record(self) -> Graph:
        # TensorRT-RTX alone can say so; TensorRT fails on the way.
        capturable = getattr(self._context, "is_stream_capturable", None)
        if capturable is not None and not capturable(self.stream.handle):
            raise DeviceError("this plan cannot be recorded as a CUDA graph: run it without cuda_graph")
        try:
            return self.stream.capture(self._enqueue)
        except EngineError as error:
            raise EngineError(f"no CUDA graph: {error}; run it without cuda_graph") from error

    def _check(self, done: bool, problem: str) -> None:
        if not done:
            raise EngineError(f"TensorRT {problem}")
