"""The engine of packages that PyTorch's ahead-of-time compiler made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from torch.utils.dlpack import from_dlpack

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.model_input import FLOW_TYPE, MODEL_INPUTS
from dinoflow_deploy.engines.base import EngineDescription, FlowEngine
from dinoflow_deploy.engines.device_shapes import check_pictures, check_shape
from dinoflow_deploy.engines.devices import Device
from dinoflow_deploy.engines.frames import Pictures, Tensor
from dinoflow_deploy.engines.inductor.backend import BACKEND
from dinoflow_deploy.engines.inductor.computing import Computing, CpuComputing, CudaComputing, page_locked
from dinoflow_deploy.engines.inductor.loaded_package import LoadedPackage
from dinoflow_deploy.engines.inductor.mismatch import Machine, causes
from dinoflow_deploy.engines.inductor.package import Package, find_package
from dinoflow_deploy.engines.pytorch.module_engine import choose_device, use_float32
from dinoflow_deploy.errors import DeviceError, EngineError, InputError


class InductorEngine(FlowEngine):
    """Runs a package of AOTInductor (``export --target inductor``).

    A package is native code, which runs with your rights: load bundles only from where you would take a
    program. It is run from a bundle alone, whose files are those of its manifest.

    Threads that call at once are computed for one after the other, with all of torch's threads on the CPU; on
    a GPU each has a stream and page-locked memory, so that one uploads while another computes.

    Not run on a GPU yet: see the README.

    Args:
        source: A bundle that holds a package, or its folder.
        device: ``"auto"`` (what the package is for), ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        convert_colors: Take grey and RGBA frames too.
        cuda_graph: Record what the first call launches and replay it as a whole: less work for the CPU. For
            packages of one fixed shape, on a GPU.

    Raises:
        InputError: The bundle holds no package; or ``cuda_graph`` is asked of one with a range of shapes, or
            for the CPU.
        FileFormatError: The bundle or package is damaged.
        DeviceError: There is no such GPU.
        EngineError: The package was compiled by another build of torch, for another device, GPU or processor;
            says which, and how to compile it again.
    """

    def __init__(
        self,
        source: Path | Bundle,
        *,
        device: str = "auto",
        convert_colors: bool = False,
        cuda_graph: bool = False,
    ) -> None:
        package = find_package(source)
        info, precision = package.info, package.manifest.precision
        chosen = _choose_device(package, Device.parse(device, BACKEND.devices))
        self._device = torch.device("cuda", chosen.index) if chosen.kind == "cuda" else torch.device("cpu")
        _check_fits(package, self._device)
        if cuda_graph:
            _check_graph(package)
        if chosen.kind == "cuda" and precision == "fp32":
            use_float32()
        loaded = LoadedPackage(package.path, self._device)
        self._computing: Computing = (
            CudaComputing(loaded, self._device, cuda_graph=cuda_graph)
            if chosen.kind == "cuda"
            else CpuComputing(loaded)
        )
        super().__init__(
            EngineDescription(
                model=package.manifest.model.name,
                backend=BACKEND.name,
                device=str(chosen),
                provider=f"AOTInductor of torch {info.torch}{', CUDA graph' if cuda_graph else ''}",
                precision=precision,
                source=str(package.path),
                inputs=info.inputs,
            ),
            convert_colors=convert_colors,
            model_input=MODEL_INPUTS[info.model_input],
        )

    @property
    def calls_at_once(self) -> int:
        """Two on a GPU, where the frames of one pair travel while another is computed; one on the CPU."""
        return 2 if self._device.type == "cuda" else 1

    def infer_device(self, image1: Any, image2: Any, out: Any = None) -> Any:
        """Inference alone on arrays that are on the engine's device already; nothing is copied to the host.

        An array is anything with ``__dlpack__``, such as a tensor of PyTorch or an array of CuPy. It is used
        in place, in the order of torch's current stream, for which its library is told to wait. The call
        returns when the flow is complete, so that images may be overwritten and the flow be read from any
        stream. Whether the flow is finite is not checked.

        Args:
            image1: ``float32 [B, 3, H, W]`` in [0, 1], or of a package that takes frames
                ``uint8 [B, H, W, 3]``; RGB, C-contiguous, on the engine's device; B, H and W are within its
                range, H and W multiples of 16.
            image2: The same shape.
            out: Where the flow goes: ``float32 [B, 2, H, W]``, C-contiguous, on the same device, and
                overlapping neither image.

        Returns:
            ``out``, or a new tensor of PyTorch, which belongs to the caller: ``float32 [B, 2, H, W]`` in
            pixels.

        Raises:
            InputError: An array is of another type, shape, layout or device, or the shape is outside the
                engine's range.
            EngineError: The engine is closed, or failed.
        """
        with self._in_use():
            taken = self._model_input
            first, second = (
                self._shared(array, name, taken.dtype)
                for array, name in zip((image1, image2), taken.tensors, strict=True)
            )
            check_pictures(tuple(first.shape), tuple(second.shape), taken)
            self._check_range(first.shape)
            if out is None:
                return self._computing.infer_device(first, second, None)
            flow = self._shared(out, "out", FLOW_TYPE)
            check_shape("out", tuple(flow.shape), taken.flow_shape(first.shape))
            self._computing.infer_device(first, second, flow)
            return out

    def _run(self, images1: Pictures, images2: Pictures) -> Tensor:
        self._check_range(images1.shape)
        return self._computing.infer(images1, images2)

    def _empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        if self._device.type == "cpu":
            return super()._empty(shape, dtype)
        return page_locked(shape, dtype, self._device)

    def _release(self) -> None:
        self._computing.close()
        # It alone holds the package.
        del self._computing

    def _check_range(self, shape: Sequence[int]) -> None:
        # The package itself would read on beyond the images.
        inputs, (batch, height, width) = self.describe().inputs, self._model_input.lengths(shape)
        if not inputs.holds(batch, height, width):
            raise InputError(
                f"{batch} pairs of {height}x{width} (height x width) are outside the package's range: "
                f"{inputs}"
            )

    def _shared(self, array: Any, name: str, dtype: str) -> torch.Tensor:
        """An array as a tensor of the same memory."""
        if not (hasattr(array, "__dlpack__") and hasattr(array, "__dlpack_device__")):
            raise InputError(
                f"{name}: an array on {self.describe().device} with __dlpack__ is needed, not "
                f"{type(array).__name__}"
            )
        try:
            tensor = from_dlpack(array)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(f"{name}: it cannot be shared: {error}") from error
        if tensor.device != self._device:
            raise InputError(
                f"{name}: it is on {tensor.device}, and the engine is on {self._device}: copy it there"
            )
        found = str(tensor.dtype).removeprefix("torch.")
        if found != dtype:
            raise InputError(f"{name}: {dtype} values are needed, not {found}")
        if not tensor.is_contiguous():
            raise InputError(f"{name}: its values are not in C order: make it contiguous")
        return tensor


def _choose_device(package: Package, asked: Device) -> Device:
    info = package.info
    if info.device == "cuda" and asked.kind != "cpu" and not torch.cuda.is_available():
        raise DeviceError(
            f"{package.path} is for a GPU of compute capability {info.compute_capability} ({info.gpu}), and "
            f"torch {torch.__version__} finds none here.\n"
            f"For the CPU, from its weights: {package.rebuild('cpu')}"
        )
    return choose_device(Device(info.device) if asked.kind == "auto" else asked)


def _check_fits(package: Package, device: torch.device) -> None:
    is_cuda = device.type == "cuda"
    capability = ".".join(map(str, torch.cuda.get_device_capability(device))) if is_cuda else None
    found = list(causes(package.info, Machine.here(torch.__version__, device.type, capability)))
    if found:
        raise EngineError(
            f"{package.path} does not run here: {'; and '.join(found)}.\n"
            f"Compile it again, from its weights: {package.rebuild(device.type)}"
        )


def _check_graph(package: Package) -> None:
    info = package.info
    if info.device != "cuda":
        raise InputError(
            f"a CUDA graph is for GPUs, and {package.path} is for the CPU: run it without cuda_graph"
        )
    if not info.inputs.is_static:
        raise InputError(
            f"a CUDA graph is for one fixed shape, and {package.path} takes {info.inputs}: run it without "
            f"cuda_graph, or compile one with --size HEIGHTxWIDTH"
        )
