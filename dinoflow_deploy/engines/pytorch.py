"""The PyTorch engine: the reference model itself. The only engine that imports torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch

from dinoflow_deploy.engines.base import EngineDescription, FlowEngine
from dinoflow_deploy.engines.devices import Device
from dinoflow_deploy.engines.frames import Frames, Tensor
from dinoflow_deploy.engines.input_range import InputRange
from dinoflow_deploy.engines.published import PublishedModel
from dinoflow_deploy.errors import DeviceError, EngineError, InputError
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, load_model

_TYPES: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class PyTorchEngine(FlowEngine):
    """Runs a model in eager PyTorch.

    ``"fp16"`` and ``"bf16"`` mean ``torch.autocast``: weights stay float32, matrix products and convolutions
    are computed in the smaller type. ``"fp32"`` on CUDA means float32: TF32 is switched off, which torch can
    do for the whole process only.

    Args:
        model: Path of a complete model (``.safetensors``); a published model, fetched where it is not in the
            hub's cache; or a model in memory, which is moved to the device and put into evaluation mode.
        device: ``"auto"`` (CUDA where there is one, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        convert_colors: Take grey and RGBA frames too.
        precision: ``"fp32"``, ``"fp16"`` or ``"bf16"``.

    Raises:
        FileFormatError: The file is missing or damaged.
        ModelError: The file is not a complete model, or the hub refused.
        DeviceError: CUDA was asked for and there is none.
        InputError: ``precision`` or ``device`` is not known.
    """

    def __init__(
        self,
        model: FlowModel | Path | PublishedModel,
        *,
        device: str = "auto",
        convert_colors: bool = False,
        precision: str = "fp32",
    ) -> None:
        if precision not in _TYPES:
            raise InputError(f"the precision '{precision}' is not one of {', '.join(_TYPES)}")
        chosen = _choose_device(Device.parse(device))
        loaded, source = _load(model)
        self._device = torch.device(chosen.kind, chosen.index)
        self._model = loaded.to(self._device).eval()
        self._precision = precision
        if chosen.kind == "cuda" and precision == "fp32":
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cuda.matmul.allow_tf32 = False
        super().__init__(
            EngineDescription(
                model=loaded.config.backbone,
                backend="pytorch",
                device=str(chosen),
                provider="eager" if precision == "fp32" else "eager, autocast",
                precision=precision,
                source=None if source is None else str(source),
                inputs=InputRange.unlimited(),
            ),
            convert_colors=convert_colors,
        )

    def _run(self, images1: Tensor, images2: Tensor) -> Tensor:
        return self._computed(self._model, images1, images2)

    def _compute_bidirectional(self, frames: Frames) -> Tensor:
        prepared = self._prepared(frames, frames[::-1])
        return self.finish(prepared, self._infer(prepared, self._run_bidirectional))

    def _run_bidirectional(self, images: Tensor, _reversed: Tensor) -> Tensor:
        def compute(image1: torch.Tensor, image2: torch.Tensor) -> torch.Tensor:
            return torch.cat(self._model.bidirectional(image1, image2))

        return self._computed(compute, images[:1], images[1:])

    def _computed(
        self, compute: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], images1: Tensor, images2: Tensor
    ) -> Tensor:
        image1, image2 = (torch.from_numpy(images).to(self._device) for images in (images1, images2))
        reduced = self._precision != "fp32"
        try:
            with (
                torch.inference_mode(),
                torch.autocast(
                    self._device.type, _TYPES[self._precision] if reduced else None, enabled=reduced
                ),
            ):
                flow = compute(image1, image2).float().cpu().numpy()
        except RuntimeError as error:
            raise EngineError(
                f"PyTorch failed on {self._device} with images {list(images1.shape)}: {error}"
            ) from error
        result: Tensor = flow
        return result

    def _release(self) -> None:
        del self._model


def _load(model: FlowModel | Path | PublishedModel) -> tuple[FlowModel, Path | None]:
    """The model, and the file that its decoder comes from."""
    if isinstance(model, FlowModel):
        return model, None
    if isinstance(model, Path):
        return load_model(model), model
    backbone, head = model.fetch()
    return FlowModel.from_pretrained(FlowModelConfig(model.name), backbone, head), head


def _choose_device(device: Device) -> Device:
    if device.kind == "cpu":
        return device
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.index < found:
        return Device("cuda", device.index)
    if device.kind == "auto":
        return Device("cpu")
    raise DeviceError(
        f"PyTorch {torch.__version__} cannot use the device '{device}': it finds {found} CUDA devices. "
        "Use the device 'cpu', or install a CUDA build of torch (https://pytorch.org/get-started)"
    )
