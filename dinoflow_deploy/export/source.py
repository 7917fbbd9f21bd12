"""From what a user names to the model to export."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dinoflow_deploy.errors import InputError

if TYPE_CHECKING:
    from dinoflow_deploy.train.model import FlowModel


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model's weights are.

    Attributes:
        name: Name of a model or backbone (``"nano"``, ``"vits16"``, ...), whose published weights are taken
            where no file is named; or the path of a complete model, ``.safetensors``.
        head: Weights of the decoder, a file or ``hub:owner/name/file``.
        backbone_weights: Weights of the backbone, likewise.
        renames: Names in the decoder's file and the names they stand for.
    """

    name: str
    head: str | None = None
    backbone_weights: str | None = None
    renames: dict[str, str] = field(default_factory=dict)

    def load(self) -> "FlowModel":
        """Load the model, in evaluation mode.

        Raises:
            InputError: There is no such model or file, or further weights are given with a complete model.
            ModelError: Weights do not fit, are not published, or the hub refused.
            FileFormatError: A file is damaged.
        """
        from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, load_model
        from dinoflow_deploy.train.model.config import model_names

        self.check()
        if self.name in model_names():
            config = FlowModelConfig.named(self.name)
            return FlowModel.from_pretrained(config, self.backbone_weights, self.head, self.renames).eval()
        return load_model(Path(self.name))

    def check(self) -> None:
        """Refuse a name that cannot be loaded, without reading weights.

        Raises:
            InputError: There is no such model or file, or further weights are given with a complete model.
        """
        from dinoflow_deploy.train.model.config import model_names

        if self.name in model_names():
            return
        known = ", ".join(model_names())
        path = Path(self.name)
        if not path.is_file():
            raise InputError(f"there is no file {path}: give one, or a model's name, one of {known}")
        if path.suffix != ".safetensors":
            raise InputError(f"{path} is not exported: give PyTorch weights, a complete .safetensors model")
        if self.head or self.backbone_weights or self.renames:
            raise InputError(
                f"{path} is a complete model and takes no --head, --backbone-weights or --rename: give a "
                f"model's name ({known}) to put one together"
            )
