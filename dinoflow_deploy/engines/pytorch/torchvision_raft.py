"""torchvision's RAFT, a model that everyone knows: a line to compare with."""

import hashlib
import shlex
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, Final

import torch

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.engines.base import EngineDescription
from dinoflow_deploy.engines.devices import Device
from dinoflow_deploy.engines.frames import Tensor
from dinoflow_deploy.engines.pytorch.module_engine import ModuleEngine, choose_device
from dinoflow_deploy.engines.pytorch.torchvision_backend import BACKEND
from dinoflow_deploy.errors import EngineError, FileFormatError, MissingPackageError, ModelError
from dinoflow_deploy.flow.padding import Padding
from dinoflow_deploy.system.optional import is_installed

MODELS: Final = {
    "torchvision-raft-large": ("raft_large", "raft_large_C_T_V2-1bb1363a.pth"),
    "torchvision-raft-small": ("raft_small", "raft_small_C_T_V2-01064c6d.pth"),
}
"""By name: the function of ``torchvision.models.optical_flow``, and the weights trained on FlyingChairs and
FlyingThings3D, as DinoFlow's are. A file's name ends with the beginning of its SHA-256."""
UPDATES: Final = 12
"""Refinements of the flow, torchvision's default. Its published errors are of 32 on Sintel, 24 on KITTI."""

_ADDRESS: Final = "https://download.pytorch.org/models/"
_STRIDE: Final = 8
_SMALLEST: Final = 128  # px; the coarsest of its four levels of correlation would be empty


class TorchvisionRaftEngine(ModuleEngine["_LastFlow"]):
    """RAFT (Teed and Deng 2020, arXiv:2003.12039) as torchvision has it, in eager PyTorch and float32.

    Frames are padded as RAFT's own evaluation does, to multiples of 8. Weights are taken from torch's cache,
    ``torch.hub.get_dir()``; nothing is fetched.

    Args:
        name: A key of ``MODELS``.
        device: ``"auto"`` (CUDA where there is one, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
        convert_colors: Take grey and RGBA frames too.

    Raises:
        MissingPackageError: torchvision is not installed.
        EngineError: It is, and does not load.
        ModelError: The weights are not in torch's cache.
        FileFormatError: They are damaged.
        DeviceError: CUDA was asked for and there is none.
        InputError: ``device`` is not known.
    """

    def __init__(self, name: str, *, device: str = "auto", convert_colors: bool = False) -> None:
        chosen = choose_device(Device.parse(device))
        builder, file = MODELS[name]
        path = Path(torch.hub.get_dir()) / "checkpoints" / file
        models = _torchvision_models(name, path)
        raft = getattr(models, builder)(weights=None)
        raft.load_state_dict(torch.load(_checked(name, path), map_location="cpu", weights_only=True))
        self._one_at_a_time = Lock()
        side = AxisRange(_SMALLEST, 512, None)
        super().__init__(
            _LastFlow(raft),
            chosen,
            EngineDescription(
                model=name,
                backend=BACKEND.name,
                device=str(chosen),
                provider=f"eager, {UPDATES} updates",
                precision="fp32",
                source=str(path),
                inputs=InputRange(AxisRange(1, 1, None), side, side),
            ),
            convert_colors=convert_colors,
        )

    def _run(self, images1: Tensor, images2: Tensor) -> Tensor:
        # RAFT keeps the correlation of the images in itself while it runs.
        with self._one_at_a_time:
            return super()._run(images1, images2)

    def _layout(self, count: int, height: int, width: int) -> tuple[Padding, int]:
        # Refuses what every other engine refuses.
        super()._layout(count, height, width)
        padded = (max(-(-side // _STRIDE) * _STRIDE, _SMALLEST) for side in (height, width))
        return Padding(height, width, *padded), count


class _LastFlow(torch.nn.Module):
    """RAFT on images in [0, 1], its last flow alone."""

    def __init__(self, raft: torch.nn.Module) -> None:
        super().__init__()
        self.raft = raft

    def forward(self, images1: torch.Tensor, images2: torch.Tensor) -> torch.Tensor:
        flows: list[torch.Tensor] = self.raft(2 * images1 - 1, 2 * images2 - 1, num_flow_updates=UPDATES)
        return flows[-1]


def _torchvision_models(name: str, path: Path) -> Any:
    if not is_installed("torchvision"):
        raise MissingPackageError(
            f"{name} is a model of torchvision, which is not installed: pip install torchvision\n"
            f"Its weights are to be in {path}, from {_ADDRESS}{path.name}"
        )
    try:
        return import_module("torchvision.models.optical_flow")
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineError(
            f"torchvision does not load beside torch {torch.__version__} ({' '.join(str(error).split())}): "
            "install the torchvision of that release"
        ) from error


def _checked(name: str, path: Path) -> Path:
    if not path.is_file():
        raise ModelError(
            f"the weights of {name} are not in torch's cache, and are not fetched by themselves:\n"
            f"  curl --create-dirs -o {shlex.quote(str(path))} {_ADDRESS}{path.name}"
        )
    expected = path.stem.rpartition("-")[2]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(expected):
        raise FileFormatError(
            f"{path} is damaged: its SHA-256 begins with {found[: len(expected)]}, not with {expected}: "
            f"fetch it again from {_ADDRESS}{path.name}"
        )
    return path
