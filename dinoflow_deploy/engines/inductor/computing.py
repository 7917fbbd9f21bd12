"""How a package computes on each kind of device, for several threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor as DeviceTensor

from dinoflow_deploy.engines.frames import Pictures, Tensor
from dinoflow_deploy.engines.inductor.loaded_package import LoadedPackage
from dinoflow_deploy.engines.pool import ContextPool
from dinoflow_deploy.errors import EngineError

_RUNS_BEFORE: Final = 2
"""Before a graph is recorded: weights are prepared in them, and libraries choose their kernels."""


class Computing(Protocol):
    """A package on a device."""

    def infer(self, images1: Pictures, images2: Pictures) -> Tensor:
        """Flow of images on the host, as ``FlowEngine`` has it."""

    def infer_device(
        self, image1: DeviceTensor, image2: DeviceTensor, out: DeviceTensor | None
    ) -> DeviceTensor:
        """Flow of images on the device, complete when it is returned: ``out`` where that is given."""

    def close(self) -> None:
        """Give everything back."""


class CpuComputing:
    """On the CPU, with all of torch's threads for one call at a time.

    Args:
        package: The package.
    """

    def __init__(self, package: LoadedPackage) -> None:
        self._package = package

    def infer(self, images1: Pictures, images2: Pictures) -> Tensor:
        """As ``Computing`` has it."""
        flow: Tensor = self._compute(torch.from_numpy(images1), torch.from_numpy(images2)).numpy()
        return flow

    def infer_device(
        self, image1: DeviceTensor, image2: DeviceTensor, out: DeviceTensor | None
    ) -> DeviceTensor:
        """As ``Computing`` has it."""
        flow = self._compute(image1, image2)
        return flow if out is None else out.copy_(flow)

    def close(self) -> None:
        """As ``Computing`` has it."""

    def _compute(self, image1: DeviceTensor, image2: DeviceTensor) -> DeviceTensor:
        with self._package.lock:
            return self._package(image1, image2)


class CudaComputing:
    """On a GPU: threads upload and download at once, and compute one after the other.

    Args:
        package: The package.
        device: The GPU.
        cuda_graph: Record what the first call launches, and replay it afterwards. All calls have its shape.
    """

    def __init__(self, package: LoadedPackage, device: torch.device, *, cuda_graph: bool) -> None:
        self._package = package
        self._device = device
        self._is_recorded = cuda_graph
        self._graph: RecordedPackage | None = None
        self._pool = ContextPool(lambda: _Transfer(device))

    def infer(self, images1: Pictures, images2: Pictures) -> Tensor:
        """As ``Computing`` has it."""
        with self._pool.use() as transfer, _cuda_errors(), torch.cuda.stream(transfer.stream):
            image1, image2 = transfer.upload(images1, images2)
            flow = self._compute(image1, image2, None)
            return transfer.download(flow)

    def infer_device(
        self, image1: DeviceTensor, image2: DeviceTensor, out: DeviceTensor | None
    ) -> DeviceTensor:
        """As ``Computing`` has it."""
        with _cuda_errors(), torch.cuda.device(self._device):
            return self._compute(image1, image2, out)

    def close(self) -> None:
        """As ``Computing`` has it."""
        self._pool.close()
        self._graph = None

    def _compute(self, image1: DeviceTensor, image2: DeviceTensor, out: DeviceTensor | None) -> DeviceTensor:
        """In the order of the current stream, which is empty afterwards."""
        with self._package.lock:
            if self._is_recorded and self._graph is None:
                self._graph = RecordedPackage(self._package, image1, image2)
            flow = self._graph.replay(image1, image2) if self._graph else self._package(image1, image2)
            if out is not None:
                flow = out.copy_(flow)
            elif self._graph:
                # The next replay writes over it.
                flow = flow.clone()
            torch.cuda.current_stream(self._device).synchronize()
        return flow


def page_locked(shape: tuple[int, ...], dtype: npt.DTypeLike, device: torch.device) -> npt.NDArray[Any]:
    """Memory of the host that a GPU copies from while the CPU goes on; torch takes it again when it is freed.

    Raises:
        EngineError: There is none.
    """
    with _cuda_errors(), torch.cuda.device(device):
        memory: npt.NDArray[Any] = torch.empty(
            shape, dtype=getattr(torch, np.dtype(dtype).name), pin_memory=True
        ).numpy()
    return memory


class RecordedPackage:
    """What a package launches for images of one shape, recorded.

    Args:
        package: The package.
        image1: Images to record it with.
        image2: Likewise.

    Raises:
        EngineError: It cannot be recorded.
    """

    def __init__(self, package: LoadedPackage, image1: DeviceTensor, image2: DeviceTensor) -> None:
        self._image1, self._image2 = image1.clone(), image2.clone()
        for _ in range(_RUNS_BEFORE):
            package(self._image1, self._image2)
        torch.cuda.current_stream(image1.device).synchronize()
        self._graph = torch.cuda.CUDAGraph()
        try:
            # Other threads may upload meanwhile.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._flow = package(self._image1, self._image2)
        except (EngineError, RuntimeError) as error:
            raise EngineError(f"no CUDA graph: {error}; run it without cuda_graph") from error

    def replay(self, image1: DeviceTensor, image2: DeviceTensor) -> DeviceTensor:
        """The flow of other images, which the next replay writes over."""
        self._image1.copy_(image1)
        self._image2.copy_(image2)
        self._graph.replay()
        return self._flow


class _Transfer:
    """A stream, and page-locked memory of the host that it copies from and to."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._device = device
        self._copies: dict[int, DeviceTensor] = {}

    def upload(self, *images: Pictures) -> list[DeviceTensor]:
        """Begin copying arrays to the device."""
        # The device copies the first while the next are being put into page-locked memory.
        return [
            self._pinned(place, torch.from_numpy(each)).to(self._device, non_blocking=True)
            for place, each in enumerate(images)
        ]

    def _pinned(self, place: int, images: DeviceTensor) -> DeviceTensor:
        """Images in page-locked memory: these, or a copy in memory that is kept for their place."""
        if images.is_pinned():
            return images
        kept = self._copies.get(place)
        if kept is None or kept.shape != images.shape:
            kept = self._copies[place] = torch.empty(images.shape, dtype=images.dtype, pin_memory=True)
        return kept.copy_(images)

    def download(self, flow: DeviceTensor) -> Tensor:
        """Copy a tensor to an array of its own."""
        host = torch.empty(flow.shape, pin_memory=True)
        host.copy_(flow, non_blocking=True)
        self.stream.synchronize()
        result: Tensor = host.numpy()
        return result

    def close(self) -> None:
        """Let go of it, when what it copies is there."""
        self.stream.synchronize()
        self._copies.clear()


@contextmanager
def _cuda_errors() -> Iterator[None]:
    """What torch says of memory and of the device, as an error of the engine."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise EngineError(
            "memory of the GPU is out; use smaller frames, a smaller batch or fewer threads "
            f"({str(error).splitlines()[0]})"
        ) from error
    except RuntimeError as error:
        raise EngineError(f"CUDA failed: {str(error).splitlines()[0]}") from error
