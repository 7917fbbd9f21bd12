"""The models that come with the package.

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

MODELS_FOLDER: Final = Path(dinoflow_deploy.__file__).parent / "models"
"""Where the built-in models lie."""


@dataclass(frozen=True, slots=True)
class BuiltinModel:
    """A model that comes with the package.

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


def builtin_models(folder: Path | None = None) -> dict[str, BuiltinModel]:
    """The built-in models by name.

    Args:
        folder: Where to look; by default in the package.
    """
    parent = folder or MODELS_FOLDER
    return {
        manifest.parent.parent.name: BuiltinModel(manifest.parent.parent.name, manifest.parent.parent)
        for manifest in sorted(parent.glob(f"*/bundle/{MANIFEST_NAME}"))
    }
