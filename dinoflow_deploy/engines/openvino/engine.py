"""The OpenVINO engine: an exported model on the CPU, or on a GPU or NPU of Intel."""

from collections import deque
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

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
from dinoflow_deploy.engines.openvino.backend import BACKEND
from dinoflow_deploy.engines.openvino.cache import compile_model
from dinoflow_deploy.engines.openvino.devices import RELEASE, capabilities, choose_device
from dinoflow_deploy.engines.openvino.reading import read_model
from dinoflow_deploy.errors import DeviceError, EngineError, InputError

# Float32 images do not say what is computed in: exported fp16 and bf16 files take them too.
_TYPES: Final = {"f32": ("unknown", np.float32), "f16": ("fp16", np.float16), "u8": ("unknown", np.uint8)}
_HINTS: Final = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}


class OpenVinoEngine(OnnxFileEngine):
    """Runs a bundle or a bare ``.onnx`` file with OpenVINO.

    What OpenVINO has compiled is kept in the user's cache, so that it starts faster the next time.

    Args:
        source: A bundle or its folder, or an ``.onnx`` file that computes ``flow`` from ``image1`` and
            ``image2``, or from ``frame1`` and ``frame2``, in fp32 or fp16.
        device: ``"auto"`` (the CPU), ``"cpu"``, ``"intel-gpu"``, ``"intel-gpu:1"``, ``"intel-npu"``.
        convert_colors: Take grey and RGBA frames too.
        intra_op_threads: Threads that compute on the CPU; by default one per core.
        engine_precision: ``"fp32"``, ``"fp16"`` or ``"bf16"``, what is computed in. By default fp32,
            whatever the file's weights are; on a device that has none, as NPUs, fp16 of a bundle in fp16.

    Raises:
        FileFormatError: The file is damaged, or not an optical-flow model.
        DeviceError: OpenVINO does not find the device, or it does not compute in this precision.
        EngineError: OpenVINO cannot run the model.
        MissingPackageError: The package onnx is not installed.
    """

    row: ClassVar[Backend] = BACKEND
    runtime: ClassVar[str] = "OpenVINO"

    def __init__(
        self,
        source: Path | Bundle,
        *,
        device: str = "auto",
        convert_colors: bool = False,
        intra_op_threads: int | None = None,
        engine_precision: str | None = None,
    ) -> None:
        bundle, path = opened(source)
        onnx_path = bundle.onnx_path if bundle else path
        chosen, name = choose_device(Device.parse(device, self.row.devices))
        stored = bundle.manifest.precision if bundle else ""
        computed = _computed_in(engine_precision, stored, chosen, name)
        self._compiled = _compile(onnx_path, name, _settings(computed, intra_op_threads, chosen), chosen)
        self._requests: deque[Any] = deque()
        inputs, outputs = self._compiled.inputs, self._compiled.outputs
        taken = model_input(map(_name, inputs), [*map(_name, outputs)], onnx_path)
        of_type, self._type = stored_as(_TYPES, _type_name(inputs[0]), taken, onnx_path)
        stored = stored or of_type
        super().__init__(
            EngineDescription(
                model=bundle.manifest.model.name if bundle else path.stem,
                backend=self.row.name,
                device=str(chosen),
                provider=f"{name} in {computed}",
                precision=stored if computed == "fp32" else computed,
                source=str(path),
                inputs=bundle.manifest.onnx.inputs
                if bundle
                else input_range(_shape(inputs[0]), taken, onnx_path),
            ),
            convert_colors=convert_colors,
            model_input=taken,
        )

    def _run_file(self, feeds: Mapping[str, Pictures]) -> Tensor:
        # One for each call that runs at the same time.
        try:
            request = self._requests.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        # Its own memory holds the result, which is copied for the caller; the images need not be.
        flow: Tensor = request.infer(feeds, share_inputs=True, share_outputs=False)["flow"]
        self._requests.append(request)
        return flow

    def _release(self) -> None:
        self._requests.clear()
        del self._compiled


def _computed_in(asked: str | None, stored: str, device: Device, name: str) -> str:
    """The precision to compute in, which the device has."""
    if asked is not None and asked not in _HINTS:
        raise InputError(f"the engine_precision '{asked}' is not one of {', '.join(_HINTS)}")
    can = [precision for precision in _HINTS if precision.upper() in capabilities(name)]
    wanted = asked or ("fp16" if stored == "fp16" and "fp32" not in can else "fp32")
    # OpenVINO would compute in another one without a word.
    if wanted not in can:
        fix = "ask for one of these by engine_precision (--engine-precision)"
        fix = fix if asked else f"export the model as one, or {fix}"
        raise DeviceError(
            f"the device '{device}' does not compute in {wanted}, but in {', '.join(can)}: {fix}"
        )
    return wanted


def _settings(precision: str, threads: int | None, device: Device) -> dict[str, str]:
    check_threads(threads)
    # Without the hint, CPUs with bfloat16 and all GPUs compute in less than float32.
    settings = {"INFERENCE_PRECISION_HINT": _HINTS[precision]}
    if device.kind == "cpu":
        # Pinned threads of two processes would share the first cores while others are idle.
        settings["ENABLE_CPU_PINNING"] = "NO"
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = str(threads)
    return settings


def _compile(path: Path, name: str, settings: dict[str, str], device: Device) -> Any:
    try:
        return compile_model(partial(read_model, path), path, name, settings)
    except RuntimeError as error:
        raise EngineError(f"OpenVINO {RELEASE} cannot load {path} on {device}: {one_line(error)}") from error


def _name(port: Any) -> str:
    return str(min(port.get_names(), default="?"))


def _type_name(port: Any) -> str:
    return str(port.get_element_type().get_type_name())


def _shape(port: Any) -> list[int | str | None]:
    return [axis.get_length() if axis.is_static else "?" for axis in port.get_partial_shape()]
