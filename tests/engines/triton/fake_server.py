"""What speaks Triton's protocol and fails on demand: real gRPC and real shared memory, no Triton."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.engines.triton.interface import ABOUT, FLOW, FRAME_NAMES, TENSORS, ServedModel
from tests.small_bundles import difference

SERVED = ServedModel(
    network="dinoflow_network",
    artefact="onnx",
    inputs=InputRange(AxisRange(1, 1, 4), AxisRange(64, 448, 512), AxisRange(64, 448, 512)),
    model_input="images",
    model="difference",
    precision="fp16",
    weights_sha256="0" * 64,
)
Failure = tuple[grpc.StatusCode, str]
SHARED = Path("/dev/shm")


class FakeServer(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Serves ``difference`` in versions 2 and 10.

    Attributes:
        tensors: Of the model, by name: type and shape.
        about: What it says of itself.
        failures: Of the next requests for flow, one after the other.
        asked: Version of each request for flow.
        shares: Whether it opens shared memory.
        regions: The memory that it was told of, opened.
        before: Called before each answer.
    """

    def __init__(self) -> None:
        self.tensors = dict(TENSORS)
        self.about = SERVED.to_json()
        self.failures: list[Failure] = []
        self.asked: list[str] = []
        self.shares = True
        self.regions: dict[str, np.ndarray] = {}
        self.before: Callable[[], object] = lambda: None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}/dinoflow"

    def start(self) -> None:
        """Start, as new: shared memory is forgotten."""
        self.regions = {}
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def ServerMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        return service_pb2.ServerMetadataResponse(name="triton", version="2.99.0")

    def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.name == "broken":
            none = f"Request for unknown model: '{request.name}' has no available versions"
            context.abort(grpc.StatusCode.UNAVAILABLE, none)
        if request.name != "dinoflow" or request.version not in ("", "2", "10"):
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Request for unknown model: '{request.name}' is not found"
            )
        outputs = {FLOW, ABOUT}
        kinds = {
            name: service_pb2.ModelMetadataResponse.TensorMetadata(name=name, datatype=kind, shape=shape)
            for name, (kind, shape) in self.tensors.items()
        }
        return service_pb2.ModelMetadataResponse(
            name=request.name,
            versions=["2", "10"],
            inputs=[tensor for name, tensor in kinds.items() if name not in outputs],
            outputs=[tensor for name, tensor in kinds.items() if name in outputs],
        )

    def RepositoryIndex(self, request: Any, context: Any) -> Any:  # noqa: N802
        kind = service_pb2.RepositoryIndexResponse.ModelIndex
        ready = kind(name="dinoflow", version="10", state="READY")
        broken = kind(name="broken", version="1", state="UNAVAILABLE", reason="Internal: no such file")
        return service_pb2.RepositoryIndexResponse(models=[ready, broken])

    def SystemSharedMemoryRegister(self, request: Any, context: Any) -> Any:  # noqa: N802
        if not self.shares:
            context.abort(grpc.StatusCode.INTERNAL, f"Unable to open shared memory region: '{request.key}'")
        path = SHARED / request.key.removeprefix("/")
        assert path.stat().st_size >= request.byte_size
        self.regions[request.name] = np.memmap(path, np.uint8, "r+")
        return service_pb2.SystemSharedMemoryRegisterResponse()

    def SystemSharedMemoryUnregister(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.regions.pop(request.name, None)
        return service_pb2.SystemSharedMemoryUnregisterResponse()

    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        (wanted,) = request.outputs
        answer = service_pb2.ModelInferResponse(model_name=request.model_name)
        if wanted.name == ABOUT:
            answer.outputs.add(name=ABOUT, datatype="BYTES", shape=[1])
            text = self.about.encode()
            answer.raw_output_contents.append(len(text).to_bytes(4, "little") + text)
            return answer
        self.asked.append(request.model_version)
        self.before()
        if self.failures:
            context.abort(*self.failures.pop(0))
        assert [each.name for each in request.inputs] == list(FRAME_NAMES)
        frames = [self._frame(request, place, context) for place in range(2)]
        flow = difference(*frames)
        answer.outputs.add(name=FLOW, datatype="FP32", shape=flow.shape)
        if "shared_memory_region" in wanted.parameters:
            self._memory(wanted.parameters, context)[: flow.nbytes] = np.frombuffer(flow.tobytes(), np.uint8)
        else:
            answer.raw_output_contents.append(flow.tobytes())
        return answer

    def _frame(self, request: Any, place: int, context: Any) -> np.ndarray:
        tensor = request.inputs[place]
        shape, size = tuple(tensor.shape), int(np.prod(tensor.shape))
        if "shared_memory_region" in tensor.parameters:
            return self._memory(tensor.parameters, context)[:size].reshape(shape)
        return np.frombuffer(request.raw_input_contents[place], np.uint8).reshape(shape)

    def _memory(self, parameters: Any, context: Any) -> np.ndarray:
        name = parameters["shared_memory_region"].string_param
        if name not in self.regions:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Unable to find shared memory region: '{name}'")
        return self.regions[name][parameters["shared_memory_offset"].int64_param :]
