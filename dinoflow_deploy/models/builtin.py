"""The models that come with their weights: those of this package, and what ``register_model`` adds.

```
dinoflow_deploy/models/<name>/
    model.safetensors    the complete model, for PyTorch
    bundle/              the same model exported, for every other engine
```
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dinoflow_deploy
from dinoflow_deploy.bundles.manifest import MANIFEST_NAME
from dinoflow_deploy.models.registry import MODELS

MODELS_FOLDER: Final = Path(dinoflow_deploy.__file__).parent / "models"
"""Where the built-in models lie."""


@dataclass(frozen=True, slots=True)
class BuiltinModel:
    """A model that comes with its weights.

    Attributes:
        name: What ``load_engine`` takes, for instance ``"nano"``.
        folder: Where it lies.
    """

    name: str
    folder: Path

    @property
    def weights(self) -> Path:
        """The complete model for PyTorch."""
        return self.folder / "model.safetensors"

    @property
    def bundle(self) -> Path:
        """The exported model."""
        return self.folder / "bundle"


def builtin_models() -> dict[str, BuiltinModel]:
    """The built-in models by name: those whose folder holds a bundle."""
    found = (
        BuiltinModel(model.name, model.folder or MODELS_FOLDER / model.name)
        for model in MODELS.values()
        if not model.published
    )
    return {model.name: model for model in found if (model.bundle / MANIFEST_NAME).exists()}
