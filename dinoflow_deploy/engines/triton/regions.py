"""Memory that client and server share, for pairs of frames and their flow."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from dinoflow_deploy.engines.frames import Frames, Tensor
from dinoflow_deploy.engines.triton.failures import said
from dinoflow_deploy.errors import DeviceError

_FOLDER: Final = Path("/dev/shm")  # where POSIX has it on Linux
_ALIGNMENT: Final = 64
_SMALLEST: Final = 4096
_PATIENCE: Final = 5.0
"""Seconds within which a server answers what costs it nothing."""


class Region:
    """One piece of shared memory, which the server has opened.

    It has a name no longer than the server needs to open it: whatever ends this process, none is left behind.

    Args:
        client: Of the server.
        size: Bytes.

    Attributes:
        size: Bytes.

    Raises:
        DeviceError: There is no room for it, or it cannot be made.
        InferenceServerException: The server cannot open it, or is not there.
    """

    def __init__(self, client: InferenceServerClient, size: int) -> None:
        # Memory that is not there is noticed when it is written, and ends the process.
        free = shutil.disk_usage(_FOLDER).free
        if size > free:
            raise DeviceError(
                f"shared memory of {size / 1e6:.0f} MB does not fit into {_FOLDER}, where "
                f"{free / 1e6:.0f} MB are free: give it more (Docker: --shm-size), or say shared_memory=off"
            )
        self.size, self._client, self._name = size, client, f"dinoflow-{uuid.uuid4().hex}"
        try:
            self._memory = SharedMemory(self._name, create=True, size=size)
        except OSError as error:
            raise DeviceError(
                f"no shared memory can be made here ({error}): say shared_memory=off"
            ) from error
        try:
            client.register_system_shared_memory(self._name, f"/{self._name}", size, client_timeout=_PATIENCE)
        except BaseException:
            self._memory.close()
            raise
        finally:
            self._memory.unlink()

    def write(self, frames: tuple[Frames, Frames]) -> None:
        """Put a pair into it, one frame behind the other."""
        both = np.ndarray((2, *frames[0].shape), np.uint8, self._memory.buf)
        both[0], both[1] = frames

    def inputs(self, names: tuple[str, str], frame: Frames) -> list[Any]:
        """What tells the server of the frames: both of the shape of one."""
        given = []
        for place, name in enumerate(names):
            tensor = InferInput(name, list(frame.shape), "UINT8")
            tensor.set_shared_memory(self._name, frame.nbytes, offset=place * frame.nbytes)
            given.append(tensor)
        return given

    def output(self, name: str, frame: Frames) -> Any:
        """What tells it where the flow goes."""
        wanted = InferRequestedOutput(name)
        wanted.set_shared_memory(self._name, flow_bytes(frame), offset=_flow_offset(frame))
        return wanted

    def flow(self, frame: Frames) -> Tensor:
        """A copy of the flow, ``float32 [2, H, W]``."""
        height, width = frame.shape[:2]
        shared = np.ndarray((height, width, 2), np.float32, self._memory.buf, _flow_offset(frame))
        return np.stack([shared[..., 0], shared[..., 1]])

    def remove(self) -> None:
        """Give it back on both sides."""
        # A server that is not there holds nothing.
        with suppress(InferenceServerException):
            self._client.unregister_system_shared_memory(self._name, client_timeout=_PATIENCE)
        self._memory.close()


def flow_bytes(frame: Frames) -> int:
    """Bytes of the flow of a frame."""
    height, width = frame.shape[:2]
    size: int = height * width * 2 * 4
    return size


def needed_bytes(frame: Frames) -> int:
    """Bytes of a pair and its flow."""
    return _flow_offset(frame) + flow_bytes(frame)


def _flow_offset(frame: Frames) -> int:
    return -(-2 * frame.nbytes // _ALIGNMENT) * _ALIGNMENT


class RegionPool:
    """Regions of an engine, each used by one call at a time.

    Args:
        client: Of the server.
    """

    def __init__(self, client: InferenceServerClient) -> None:
        self._client = client
        self._free: list[Region] = []
        self._set_aside: list[Region] = []
        self._lock = Lock()

    @contextmanager
    def region(self, size: int) -> Iterator[Region]:
        """A region of at least so many bytes, new where there is none.

        After a failure nobody knows whether the server still writes into it, or forgot it in a restart: it is
        not used again.

        Args:
            size: In bytes.

        Raises:
            DeviceError: There is no room for it.
            InferenceServerException: The server cannot open it, or is not there.
        """
        region = self._take(size)
        try:
            yield region
        except BaseException:
            with self._lock:
                self._set_aside.append(region)
            raise
        with self._lock:
            self._free.append(region)

    def close(self) -> None:
        """Remove all."""
        for region in (*self._free, *self._set_aside):
            region.remove()
        self._free.clear()
        self._set_aside.clear()

    def _take(self, size: int) -> Region:
        with self._lock:
            fitting = [region for region in self._free if region.size >= size]
            outgrown = [] if fitting else self._free[:1]
            for region in (*fitting[:1], *outgrown):
                self._free.remove(region)
        if fitting:
            return fitting[0]
        for region in outgrown:
            region.remove()
        return Region(self._client, size)


def sharing_problem(client: InferenceServerClient) -> str | None:
    """Why the server cannot open this process' shared memory; ``None`` where it can."""
    try:
        Region(client, _SMALLEST).remove()
    except InferenceServerException as error:
        return said(error)
    except (DeviceError, OSError) as error:
        return str(error)
    return None
