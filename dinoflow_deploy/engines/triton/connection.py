"""A connection to a model on a Triton server."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from dinoflow_deploy.bundles.input_range import SMALLEST_FRAME
from dinoflow_deploy.engines.frames import Frames, Tensor
from dinoflow_deploy.engines.triton.address import Address
from dinoflow_deploy.engines.triton.failures import explained, is_missing_model, retried
from dinoflow_deploy.engines.triton.interface import ABOUT, FLOW, FRAME_NAMES, TENSORS, ServedModel
from dinoflow_deploy.engines.triton.options import RequestOptions
from dinoflow_deploy.engines.triton.regions import RegionPool, needed_bytes, sharing_problem
from dinoflow_deploy.errors import DeviceError, EngineError, FileFormatError

_CHANNEL: Final = (
    # Frames and flow of any size: gRPC's own limit is 4 MB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A server that restarts is found again at once; gRPC's own pause grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class Connection:
    """A model that was found on a server; calls may come from several threads at once.

    Args:
        address: Where it is.
        options: How it is asked.

    Attributes:
        served: What its front says of it.
        title: Server, model, version and weights, and the way of the frames.

    Raises:
        EngineError: The server does not answer, or has no such model, or it is not a front of this package.
        DeviceError: Shared memory was asked for, and the server cannot open it.
    """

    def __init__(self, address: Address, options: RequestOptions) -> None:
        self._address, self._options = address, options
        self._client = InferenceServerClient(address.server, channel_args=list(_CHANNEL))
        try:
            server = self._client.get_server_metadata(client_timeout=options.timeout)
            self._version = self._find_version()
            self.served = self._ask_about()
            self._regions = self._shared_regions()
        except BaseException as error:
            self._client.close()
            if isinstance(error, InferenceServerException):
                raise explained(error, address.server, options.timeout) from error
            raise
        way = "shared memory" if self._regions else "gRPC"
        weights = self.served.weights_sha256[:12]
        self.title = (
            f"Triton {server.version}, {address.model} version {self._version}, {self.served.artefact}, "
            f"weights {weights}, {way}"
        )

    def flow(self, frame1: Frames, frame2: Frames) -> Tensor:
        """The flow of a pair, sent again while the server restarts.

        Args:
            frame1: ``uint8 [H, W, 3]``, C-contiguous.
            frame2: The same shape.

        Returns:
            ``float32 [2, H, W]`` in pixels.

        Raises:
            InputError: The server refused the frames.
            EngineError: It failed, did not answer in time, or was not there for too long.
        """
        ask = self._through_memory if self._regions else self._through_grpc
        options = self._options
        return retried(lambda: ask(frame1, frame2), self._address.server, options.timeout, options.retry_for)

    def close(self) -> None:
        """Give back what is shared, and the connection."""
        if self._regions:
            self._regions.close()
        self._client.close()

    def _through_grpc(self, frame1: Frames, frame2: Frames) -> Tensor:
        inputs = [_sent(name, frame) for name, frame in zip(FRAME_NAMES, (frame1, frame2), strict=True)]
        flow: Tensor = self._infer(inputs, InferRequestedOutput(FLOW)).as_numpy(FLOW)
        return _channels_first(flow)

    def _through_memory(self, frame1: Frames, frame2: Frames) -> Tensor:
        assert self._regions is not None, "it was asked whether there are any"
        with self._regions.region(needed_bytes(frame1)) as region:
            region.write((frame1, frame2))
            self._infer(region.inputs(FRAME_NAMES, frame1), region.output(FLOW, frame1))
            return region.flow(frame1)

    def _infer(self, inputs: Sequence[Any], output: Any) -> Any:
        return self._client.infer(
            self._address.model,
            inputs,
            model_version=self._version,
            outputs=[output],
            client_timeout=self._options.timeout,
        )

    def _find_version(self) -> str:
        """The version that is asked for, or else the newest that is served."""
        address = self._address
        try:
            found = self._client.get_model_metadata(
                address.model, address.version, client_timeout=self._options.timeout
            )
        except InferenceServerException as error:
            if not is_missing_model(error):
                raise
            raise EngineError(self._no_model()) from error
        _check_tensors(address, found)
        version: str = address.version or max(found.versions, key=int)
        return version

    def _no_model(self) -> str:
        index = self._client.get_model_repository_index(client_timeout=self._options.timeout).models
        address, states = self._address, [each for each in index if each.name == self._address.model]
        wanted = f"'{address.model}'" + (f" in version {address.version}" if address.version else "")
        loaded = ", ".join(sorted({each.name for each in index if each.state == "READY"})) or "nothing"
        reasons = [f"version {each.version}: {each.reason}" for each in states if each.reason]
        why = f" ({'; '.join(reasons)})" if reasons else ""
        advice = "load it, or correct the address" if states else "correct the address, or export it there"
        return f"the Triton server {address.server} serves no {wanted}{why}, it serves {loaded}: {advice}"

    def _ask_about(self) -> ServedModel:
        # The front wants frames with every request, and looks at none for this output.
        frame = np.zeros((SMALLEST_FRAME, SMALLEST_FRAME, 3), np.uint8)
        answer = self._infer([_sent(name, frame) for name in FRAME_NAMES], InferRequestedOutput(ABOUT))
        address = self._address
        try:
            return ServedModel.from_json(
                answer.as_numpy(ABOUT)[0], f"what {address.model} on {address.server} says of itself"
            )
        except FileFormatError as error:
            raise EngineError(f"{error}: it was written by another release; export it again") from error

    def _shared_regions(self) -> RegionPool | None:
        if self._options.shared_memory == "off":
            return None
        problem = sharing_problem(self._client)
        if problem is None:
            return RegionPool(self._client)
        if self._options.shared_memory == "auto":
            return None
        raise DeviceError(
            f"the Triton server {self._address.server} cannot share memory with this process: {problem}; it "
            "has to run on this machine (Docker: --ipc=host), or say shared_memory=off"
        )


def _sent(name: str, frame: Frames) -> Any:
    tensor = InferInput(name, list(frame.shape), "UINT8")
    tensor.set_data_from_numpy(frame)
    return tensor


def _channels_first(flow: Tensor) -> Tensor:
    return np.stack([flow[..., 0], flow[..., 1]])


def _check_tensors(address: Address, found: Any) -> None:
    """Refuse a model that does not take frames and give flow."""
    tensors = {each.name: (each.datatype, tuple(each.shape)) for each in (*found.inputs, *found.outputs)}
    if tensors == TENSORS:
        return
    takes, gives = (_named(each) for each in (found.inputs, found.outputs))
    raise EngineError(
        f"the model '{address.model}' on {address.server} is no front of dinoflow-deploy, which gives "
        f"{FLOW} and {ABOUT} for {', '.join(FRAME_NAMES)}: it gives {gives} for {takes}; name the model that "
        "export --target triton wrote, most often dinoflow"
    )


def _named(tensors: Any) -> str:
    return ", ".join(f"{each.name} {each.datatype} {list(each.shape)}" for each in tensors)
