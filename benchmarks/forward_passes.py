"""One model's forward pass, device memory to device memory: by PyTorch, its compilers and ONNX Runtime."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from ceilings import TYPES, synchronize
from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.engines.inductor.computing import RecordedPackage
from dinoflow_deploy.engines.inductor.loaded_package import LoadedPackage
from dinoflow_deploy.engines.inductor.package import find_package
from dinoflow_deploy.engines.onnxruntime.placement import nodes_elsewhere
from dinoflow_deploy.engines.onnxruntime.providers import (
    CPU,
    CUDA,
    provider_options,
    provider_problem,
    quiet_default_logger,
)
from dinoflow_deploy.errors import DinoFlowError, EngineError
from dinoflow_deploy.export import ExportOptions, PackageOptions, export_bundle
from dinoflow_deploy.export.inductor.toolchain import find_toolchain
from dinoflow_deploy.export.shapes import RequestedShapes
from dinoflow_deploy.train.model import FlowModel, load_model


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to compute the forward pass.

    Attributes:
        name: What a reader calls it.
        precision: ``"fp32"`` (never TF32), ``"fp16"`` or ``"bf16"``: type of weights and features.
        onnxruntime: By ONNX Runtime.
        inductor: By a package of PyTorch's ahead-of-time compiler; else by PyTorch.
        channels_last: Weights and features in NHWC order.
        compiled: Through ``torch.compile``.
        graph: Recorded once and replayed as a CUDA graph.
    """

    name: str
    precision: str
    onnxruntime: bool = False
    inductor: bool = False
    channels_last: bool = False
    compiled: bool = False
    graph: bool = False


_ERROR: Final = 3
"""Of ONNX Runtime's severities: a session made while the default is higher would not say what fails in it."""
VARIANTS: Final = {
    variant.name: variant
    for variant in (
        Variant("eager-fp32", "fp32"),
        Variant("eager-fp16", "fp16"),
        Variant("eager-bf16", "bf16"),
        Variant("channels-last-fp16", "fp16", channels_last=True),
        Variant("channels-last-bf16", "bf16", channels_last=True),
        Variant("compile-bf16", "bf16", channels_last=True, compiled=True),
        Variant("compile-graph-bf16", "bf16", channels_last=True, compiled=True, graph=True),
        Variant("onnxruntime-fp32", "fp32", onnxruntime=True),
        Variant("onnxruntime-graph-fp32", "fp32", onnxruntime=True, graph=True),
        Variant("onnxruntime-fp16", "fp16", onnxruntime=True),
        Variant("onnxruntime-graph-fp16", "fp16", onnxruntime=True, graph=True),
        Variant("onnxruntime-channels-last-fp16", "fp16", onnxruntime=True, channels_last=True),
        *(Variant(f"inductor-{precision}", precision, inductor=True) for precision in TYPES),
        *(
            Variant(f"inductor-graph-{precision}", precision, inductor=True, graph=True)
            for precision in TYPES
        ),
    )
}


def obstacle(variant: Variant, device: torch.device) -> str | None:
    """Why a variant cannot run here, or ``None``."""
    if variant.inductor and (problem := _compiling_problem(device)):
        return problem
    if device.type == "cuda":
        return provider_problem(CUDA) if variant.onnxruntime else None
    on_cuda_only = variant.graph or (variant.onnxruntime and variant.channels_last)
    return "needs CUDA" if on_cuda_only else None


def _compiling_problem(device: torch.device) -> str | None:
    try:
        find_toolchain(device.type)
    except DinoFlowError as error:
        return str(error)
    return None


class ForwardPass(ABC):
    """A variant of the forward pass, ready to run on images that stay where they are.

    Args:
        images: ``image1`` and ``image2``, float32 ``[B, 3, H, W]`` in [0, 1], on the device. What they hold
            may change between calls.
    """

    def __init__(self, images: tuple[Tensor, Tensor]) -> None:
        self.images = images
        self.flow = torch.empty_like(images[0][:, :2])

    @abstractmethod
    def start(self) -> None:
        """Compute ``flow``, float32 ``[B, 2, H, W]``; on CUDA only set going."""

    @abstractmethod
    def wait(self) -> None:
        """Wait until all that was started is done."""


class PyTorchPass(ForwardPass):
    """The reference model, its weights cast to the variant's type."""

    def __init__(self, variant: Variant, weights: Path, images: tuple[Tensor, Tensor]) -> None:
        super().__init__(images)
        self.model = pytorch_model(variant, weights, images[0].device)
        mode = "reduce-overhead" if variant.graph else "default"
        self._run: Any = (
            torch.compile(self.model, mode=mode, dynamic=False) if variant.compiled else self.model
        )

    def start(self) -> None:
        """See ``ForwardPass``."""
        with torch.inference_mode():
            # A copy, since what a CUDA graph returns is overwritten by its next run.
            self.flow.copy_(self._run(*self.images))

    def wait(self) -> None:
        """See ``ForwardPass``."""
        synchronize(self.flow.device)


def pytorch_model(variant: Variant, weights: Path, device: torch.device) -> FlowModel:
    """The reference model on a device, in the variant's type and order of memory."""
    model = load_model(weights).eval().to(device, TYPES[variant.precision])
    return model.to(memory_format=torch.channels_last) if variant.channels_last else model  # type: ignore[call-overload]


class OnnxRuntimePass(ForwardPass):
    """The exported model, reading and writing torch's memory.

    With a CUDA graph the first call runs twice, to get memory, and is recorded the third time
    (``min_num_runs_before_cuda_graph_capture_`` of its provider is 2). Nothing may be allocated while it
    records, not even the pinned host memory from which a ``Concat`` of unequal parts copies their lengths to
    the GPU. ONNX Runtime takes that back at the end of a run, unless
    ``disable_synchronize_execution_providers`` is set: ``vits16`` at 448x1024 takes 0.38 MiB a run, so that
    the recorded one is the first to need more than the 1 MiB that the arena begins with. That is what the
    sources say of "CUDA failure 901 ... cudaStreamEndCapture"; on a GPU it has yet to be seen. So the first
    call waits, and the switch is for replays, which allocate nothing. Whatever fails while it records ends in
    that message; which node failed is said in the log alone, hence the severity.
    """

    def __init__(self, variant: Variant, bundle: Path, images: tuple[Tensor, Tensor]) -> None:
        super().__init__(images)
        provider = CUDA if self.flow.is_cuda else CPU
        ((_, settings),) = provider_options(provider)
        if provider == CUDA:
            own = {"enable_cuda_graph": variant.graph, "prefer_nhwc": variant.channels_last}
            settings = settings | {key: str(int(wanted)) for key, wanted in own.items()}
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERROR
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        model = bundle / "model.onnx"
        with quiet_default_logger():
            self._session = onnxruntime.InferenceSession(
                model, options, providers=[(provider, settings)], enable_fallback=0
            )
        left = nodes_elsewhere(self._session, provider, model)
        if left:
            raise EngineError(f"{variant.name} would compute on the CPU: {', '.join(left[:5])}")
        self._binding = self._session.io_binding()
        for name, tensor in (("image1", images[0]), ("image2", images[1]), ("flow", self.flow)):
            bind = self._binding.bind_output if name == "flow" else self._binding.bind_input
            index = tensor.device.index or 0
            bind(name, tensor.device.type, index, np.float32, tuple(tensor.shape), tensor.data_ptr())
        self._graph = variant.graph
        self._replay: Any = None

    def start(self) -> None:
        """See ``ForwardPass``; without a graph it waits."""
        self._session.run_with_iobinding(self._binding, self._replay)
        if self._graph and self._replay is None:
            self._replay = onnxruntime.RunOptions()
            self._replay.add_run_config_entry("disable_synchronize_execution_providers", "1")

    def wait(self) -> None:
        """See ``ForwardPass``."""
        self._binding.synchronize_outputs()


class InductorPass(ForwardPass):
    """The package of a bundle, with a CUDA graph as its engine records one."""

    def __init__(self, variant: Variant, bundle: Path, images: tuple[Tensor, Tensor]) -> None:
        super().__init__(images)
        package = LoadedPackage(find_package(bundle).path, images[0].device)
        self._run = RecordedPackage(package, *images).replay if variant.graph else package

    def start(self) -> None:
        """See ``ForwardPass``."""
        self.flow.copy_(self._run(*self.images))

    def wait(self) -> None:
        """See ``ForwardPass``."""
        synchronize(self.flow.device)


def export_for(variant: Variant, weights: Path, size: tuple[int, int], device: torch.device) -> Path:
    """What a variant is loaded from: the weights, or beside them an export of exactly these shapes.

    Args:
        variant: What is to run.
        weights: The complete model, ``.safetensors``.
        size: Height and width of the images.
        device: What a package is compiled for, which takes minutes.
    """
    if not (variant.onnxruntime or variant.inductor):
        return weights
    kind = "inductor" if variant.inductor else "onnx"
    bundle = weights.with_name(f"{kind}-{variant.precision}-{size[0]}x{size[1]}")
    if not bundle.exists():
        inputs = InputRange(*map(AxisRange.fixed, (1, *size)))
        # The flow is compared with PyTorch's by the benchmark itself.
        options = ExportOptions(variant.precision, inputs=inputs, verify=False)
        package = PackageOptions(device.type, RequestedShapes.of(inputs), verify=False)
        export_bundle(load_model(weights), bundle, options, target=package if variant.inductor else None)
    return bundle


def open_pass(variant: Variant, source: Path, images: tuple[Tensor, Tensor]) -> ForwardPass:
    """A variant, loaded.

    Args:
        variant: What to run; ``obstacle`` says whether it can be.
        source: See ``export_for``.
        images: See ``ForwardPass``.
    """
    if variant.inductor:
        return InductorPass(variant, source, images)
    return (OnnxRuntimePass if variant.onnxruntime else PyTorchPass)(variant, source, images)
