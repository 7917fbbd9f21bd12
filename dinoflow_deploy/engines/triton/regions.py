"""Memory that client and server share, for pairs of frames and their flow."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, shared_memory

from dinoflow_deploy.engines.frames import Frames, Tensor
from dinoflow_deploy.engines.triton.failures import said
from dinoflow_deploy.errors import DeviceError

_FOLDER: Final = Path("/dev/shm")  # where POSIX has it on Linux
_ALIGNMENT: Final = 64
_SMALLEST: Final = 4096
_PATIENCE: Final = 5.0
"""Seconds within which a server answers what costs it nothing."""


@dataclass(slots=True)
class Region:
    """One piece of shared memory, which the server knows by its name.

    Attributes:
        client: Of the server.
        size: Bytes.
        name: Of the region, on both sides.
    """

    client: Any
    size: int
    name: str = field(default_factory=lambda: f"dinoflow-{uuid.uuid4().hex}")
    _handle: Any = None

    def create(self) -> None:
        """Make it and tell the server.

        Raises:
            DeviceError: There is no room for it, or it cannot be made.
            InferenceServerException: The server cannot open it, or is not there.
        """
        # Memory that is not there is noticed when it is written, and ends the process.
        free = shutil.disk_usage(_FOLDER).free
        if self.size > free:
            raise DeviceError(
                f"shared memory of {self.size / 1e6:.0f} MB does not fit into {_FOLDER}, where "
                f"{free / 1e6:.0f} MB are free: give it more (Docker: --shm-size), or say shared_memory=off"
            )
        try:
            self._handle = shared_memory.create_shared_memory_region(
                self.name, f"/{self.name}", self.size, create_only=True
            )
        except shared_memory.SharedMemoryException as error:
            reason = error.__cause__ or error
            raise DeviceError(
                f"no shared memory can be made here ({reason}): say shared_memory=off"
            ) from error
        try:
            self.register()
        except BaseException:
            self._destroy()
            raise

    def register(self) -> None:
        """Tell the server, which forgets when it restarts.

        Raises:
            InferenceServerException: The server cannot open it, or is not there.
        """
        self.client.register_system_shared_memory(
            self.name, f"/{self.name}", self.size, client_timeout=_PATIENCE
        )

    def write(self, frames: tuple[Frames, Frames]) -> None:
        """Put a pair into it, one frame behind the other."""
        shared_memory.set_shared_memory_region(self._handle, list(frames))

    def inputs(self, names: tuple[str, str], frame: Frames) -> list[Any]:
        """What tells the server of the frames: both of the shape of one."""
        given = []
        for place, name in enumerate(names):
            tensor = InferInput(name, list(frame.shape), "UINT8")
            tensor.set_shared_memory(self.name, frame.nbytes, offset=place * frame.nbytes)
            given.append(tensor)
        return given

    def output(self, name: str, frame: Frames) -> Any:
        """What tells it where the flow goes."""
        wanted = InferRequestedOutput(name)
        wanted.set_shared_memory(self.name, flow_bytes(frame), offset=_flow_offset(frame))
        return wanted

    def flow(self, frame: Frames) -> Tensor:
        """A copy of the flow, ``float32 [2, H, W]``."""
        height, width = frame.shape[:2]
        shared = shared_memory.get_contents_as_numpy(
            self._handle, np.float32, (height, width, 2), offset=_flow_offset(frame)
        )
        return np.stack([shared[..., 0], shared[..., 1]])

    def remove(self) -> None:
        """Give it back on both sides."""
        # A server that is not there holds nothing.
        with suppress(InferenceServerException):
            self.client.unregister_system_shared_memory(self.name, client_timeout=_PATIENCE)
        self._destroy()

    def _destroy(self) -> None:
        shared_memory.destroy_shared_memory_region(self._handle)


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

        After a failure nobody knows whether the server still writes into it: it is not used again.

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
        made = Region(self._client, size)
        made.create()
        return made


def sharing_problem(client: InferenceServerClient) -> str | None:
    """Why the server cannot open this process' shared memory; ``None`` where it can."""
    region = Region(client, _SMALLEST)
    try:
        region.create()
    except InferenceServerException as error:
        return said(error)
    except (DeviceError, OSError) as error:
        return str(error)
    region.remove()
    return None
