"""Runs a module of PyTorch on pairs of images."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import torch

from dinoflow_deploy.engines.base import EngineDescription, FlowEngine
from dinoflow_deploy.engines.devices import Device
from dinoflow_deploy.engines.frames import Tensor
from dinoflow_deploy.errors import DeviceError, EngineError

TYPES: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Of torch, by precision."""

Module = TypeVar("Module", bound=torch.nn.Module)


class ModuleEngine(FlowEngine, Generic[Module]):
    """Runs a module that takes two batches of images and gives their flow.

    Args:
        module: ``(images1, images2) -> flow``; moved to the device and put into evaluation mode.
        device: Of :func:`choose_device`.
        description: Says the precision, too: ``"fp16"`` and ``"bf16"`` mean ``torch.autocast``; ``"fp32"`` on
            CUDA switches TF32 off, which torch can do for the whole process only.
        convert_colors: Take grey and RGBA frames too.
    """

    def __init__(
        self, module: Module, device: Device, description: EngineDescription, *, convert_colors: bool
    ) -> None:
        self._device = torch.device(device.kind, device.index)
        self._model = module.to(self._device).eval()
        self._precision = description.precision
        if device.kind == "cuda" and self._precision == "fp32":
            use_float32()
        super().__init__(description, convert_colors=convert_colors)

    def _run(self, images1: Tensor, images2: Tensor) -> Tensor:
        return self._computed(self._model, images1, images2)

    def _computed(
        self, compute: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], images1: Tensor, images2: Tensor
    ) -> Tensor:
        image1, image2 = (torch.from_numpy(images).to(self._device) for images in (images1, images2))
        reduced = self._precision != "fp32"
        try:
            with (
                torch.inference_mode(),
                torch.autocast(
                    self._device.type, TYPES[self._precision] if reduced else None, enabled=reduced
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


def use_float32() -> None:
    """Let float32 on CUDA mean float32, not TF32, in the whole process."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def choose_device(device: Device) -> Device:
    """The device that PyTorch has for a name: CUDA for "auto" where there is one.

    Raises:
        DeviceError: CUDA was asked for and there is none.
    """
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
