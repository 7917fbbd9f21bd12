"""The PyTorch engine: the reference model itself."""

from pathlib import Path

import torch

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.engines.base import EngineDescription, PreparedFrame
from dinoflow_deploy.engines.devices import Device
from dinoflow_deploy.engines.frames import Tensor
from dinoflow_deploy.engines.pytorch.backend import BACKEND
from dinoflow_deploy.engines.pytorch.module_engine import TYPES, ModuleEngine, choose_device
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.models.published import PublishedModel
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, load_model


class PyTorchEngine(ModuleEngine[FlowModel]):
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
        if precision not in TYPES:
            raise InputError(f"the precision '{precision}' is not one of {', '.join(TYPES)}")
        chosen = choose_device(Device.parse(device))
        loaded, source = _load(model)
        super().__init__(
            loaded,
            chosen,
            EngineDescription(
                model=loaded.config.name,
                backend=BACKEND.name,
                device=str(chosen),
                provider="eager" if precision == "fp32" else "eager, autocast",
                precision=precision,
                source=None if source is None else str(source),
                inputs=InputRange.unlimited(),
            ),
            convert_colors=convert_colors,
        )

    def _compute_bidirectional(self, first: PreparedFrame, second: PreparedFrame) -> Tensor:
        prepared = self._paired([first, second], [second, first])
        return self.finish(prepared, self._infer(prepared, self._run_bidirectional))

    def _run_bidirectional(self, images: Tensor, _reversed: Tensor) -> Tensor:
        def compute(image1: torch.Tensor, image2: torch.Tensor) -> torch.Tensor:
            return torch.cat(self._model.bidirectional(image1, image2))

        return self._computed(compute, images[:1], images[1:])


def _load(model: FlowModel | Path | PublishedModel) -> tuple[FlowModel, Path | None]:
    """The model, and the file that its decoder comes from."""
    if isinstance(model, FlowModel):
        return model, None
    if isinstance(model, Path):
        return load_model(model), model
    backbone, head = model.fetch()
    return FlowModel.from_pretrained(FlowModelConfig.named(model.name), backbone, head), head
