"""The ONNX Runtime engine: an exported model on the CPU or on a CUDA device."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import onnxruntime

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.engines.backend import Backend
from dinoflow_deploy.engines.base import EngineDescription
from dinoflow_deploy.engines.devices import Device
from dinoflow_deploy.engines.frames import Pictures, Tensor
from dinoflow_deploy.engines.onnx_source import (
    OnnxFileEngine,
    check_threads,
    input_range,
    model_input,
    one_line,
    opened,
    stored_as,
)
from dinoflow_deploy.engines.onnxruntime.backend import BACKEND
from dinoflow_deploy.engines.onnxruntime.data_files import data_file_problem
from dinoflow_deploy.engines.onnxruntime.memory import shrink_shared_arena, use_shared_arena
from dinoflow_deploy.engines.onnxruntime.packages import cuda_fix
from dinoflow_deploy.engines.onnxruntime.placement import nodes_elsewhere
from dinoflow_deploy.engines.onnxruntime.providers import (
    CPU,
    CUDA,
    FATAL,
    provider_options,
    provider_problem,
)
from dinoflow_deploy.errors import DeviceError, EngineError, FileFormatError

_PROVIDERS: Final = {"cpu": CPU, "cuda": CUDA}
# Float32 images do not say what is computed in: exported fp16 and bf16 files take them too.
_TYPES: Final = {
    "tensor(float)": ("unknown", np.float32),
    "tensor(float16)": ("fp16", np.float16),
    "tensor(uint8)": ("unknown", np.uint8),
}
# By name, since ONNX Runtime keeps its exceptions in a private module.
_FILE_ERRORS: Final = ("InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoModel")


class OnnxRuntimeEngine(OnnxFileEngine):
    """Runs a bundle or a bare ``.onnx`` file with ONNX Runtime.

    Args:
        source: A bundle or its folder, or an ``.onnx`` file that computes ``flow`` from ``image1`` and
            ``image2``, or from ``frame1`` and ``frame2``.
        device: ``"auto"`` (CUDA where its provider works, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        convert_colors: Take grey and RGBA frames too.
        intra_op_threads: Threads within one operator on the CPU; by default one per core.

    Raises:
        FileFormatError: The file is damaged, or not an optical-flow model.
        DeviceError: CUDA was asked for and does not work, or cannot compute every node.
        EngineError: ONNX Runtime cannot run the model.
    """

    row: ClassVar[Backend] = BACKEND
    runtime: ClassVar[str] = "ONNX Runtime"

    def __init__(
        self,
        source: Path | Bundle,
        *,
        device: str = "auto",
        convert_colors: bool = False,
        intra_op_threads: int | None = None,
    ) -> None:
        bundle, path = opened(source)
        onnx_path = bundle.onnx_path if bundle else path
        chosen, provider = self._choose(Device.parse(device))
        self._session = _open_session(onnx_path, chosen, provider, intra_op_threads)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        taken = model_input((each.name for each in inputs), [each.name for each in outputs], onnx_path)
        precision, self._type = stored_as(_TYPES, inputs[0].type, taken, onnx_path)
        super().__init__(
            EngineDescription(
                model=bundle.manifest.model.name if bundle else path.stem,
                backend=self.row.name,
                device=str(chosen),
                provider=provider,
                precision=bundle.manifest.precision if bundle else precision,
                source=str(path),
                inputs=bundle.manifest.onnx.inputs
                if bundle
                else input_range(inputs[0].shape, taken, onnx_path),
            ),
            convert_colors=convert_colors,
            model_input=taken,
        )

    def _choose(self, device: Device) -> tuple[Device, str]:
        """The device that is meant, and the provider that computes there."""
        chosen = _choose_device(device)
        return chosen, _PROVIDERS[chosen.kind]

    def _run_file(self, feeds: Mapping[str, Pictures]) -> Tensor:
        (flow,) = self._session.run(["flow"], feeds)
        result: Tensor = flow
        return result

    def _release(self) -> None:
        del self._session
        if self.describe().provider == CPU:
            shrink_shared_arena()


def _choose_device(device: Device) -> Device:
    if device.kind == "cpu":
        return device
    problem = provider_problem(CUDA, device.index)
    if problem is None:
        return Device("cuda", device.index)
    if device.kind == "auto":
        return Device("cpu")
    raise DeviceError(
        f"ONNX Runtime cannot use the device '{device}': {problem}.\n"
        f"Use the device 'cpu'; or with an NVIDIA driver, run: {cuda_fix()}"
    )


def _open_session(path: Path, device: Device, provider: str, threads: int | None) -> Any:
    options = onnxruntime.SessionOptions()
    # What goes wrong is raised; printing it too would only repeat it.
    options.log_severity_level = FATAL
    check_threads(threads)
    if threads is not None:
        options.intra_op_num_threads = threads
    if provider == CPU:
        use_shared_arena(options)
    else:
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    try:
        session = onnxruntime.InferenceSession(
            path, options, providers=provider_options(provider, device.index, path), enable_fallback=0
        )
    except Exception as error:
        raise _load_error(error, path, device) from error
    if provider != CPU:
        _check_all_on_provider(session, path, provider)
    return session


def _load_error(error: Exception, path: Path, device: Device) -> EngineError | FileFormatError:
    kind = type(error).__name__
    if problem := data_file_problem(one_line(error), path):
        return FileFormatError(problem)
    # Releases before 1.32 say "Fail" of an empty file, and of much else.
    if kind in _FILE_ERRORS or (kind == "Fail" and "Load model from" in str(error)):
        return FileFormatError(f"{path} is not a valid ONNX model: {one_line(error)}")
    if kind == "NotImplemented":
        return EngineError(
            f"ONNX Runtime {onnxruntime.__version__} has no kernel for a part of {path} on {device}: "
            f"{one_line(error)}; export the model as fp32 or fp16 (bfloat16 is for TensorRT)"
        )
    return EngineError(f"ONNX Runtime cannot load {path} on {device}: {one_line(error)}")


def _check_all_on_provider(session: Any, path: Path, provider: str) -> None:
    if not hasattr(session, "get_provider_graph_assignment_info"):
        raise DeviceError(
            f"ONNX Runtime {onnxruntime.__version__} cannot say which nodes run where: "
            "pip install --upgrade 'onnxruntime-gpu>=1.24'"
        )
    left = nodes_elsewhere(session, provider, path)
    if left:
        shown = ", ".join(left[:5]) + (", ..." if len(left) > 5 else "")
        raise DeviceError(
            f"{len(left)} nodes of {path} would work on the CPU for each frame, since {provider} leaves "
            f"them: {shown}. Export the model as fp32, or use the backend '{BACKEND.name}' on the device "
            "'cpu'"
        )
