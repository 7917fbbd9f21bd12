"""What is said of the licences of a version in a repository."""

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.manifest import ModelInfo
from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.models.published import PUBLISHED_BACKBONES

LICENCES_NAME = "LICENCES.md"
_APACHE = "Apache License 2.0, https://www.apache.org/licenses/LICENSE-2.0"
_DINOV3 = "DINOv3 License of Meta, https://ai.meta.com/resources/models-and-libraries/dinov3-license/"


def licences(model: ModelInfo) -> str:
    """The licences as text.

    Args:
        model: Whose weights are in the network.
    """
    return (
        f"# Licences\n\n{_of_weights(model)}\n\n"
        f"Graph of the network, configuration and front, by dinoflow-deploy: {_APACHE}\n"
    )


def _of_weights(model: ModelInfo) -> str:
    weights = f"Weights of {model.name} (SHA-256 {model.weights_sha256[:12]})"
    if _is_builtin(model):
        return f"{weights}, a built-in model of dinoflow-deploy: {_APACHE}"
    backbone = model.config.get("backbone")
    if backbone in PUBLISHED_BACKBONES:
        return (
            f"{weights}: those of the backbone {backbone} are DINOv3's, or were trained from them, under the "
            f"{_DINOV3}. Those of the decoder are under the licence of who trained it."
        )
    return f"{weights}: under the licence of who trained them."


def _is_builtin(model: ModelInfo) -> bool:
    found = builtin_models().get(model.name)
    try:
        return found is not None and Bundle.open(found.bundle).manifest.model == model
    except FileFormatError:
        return False
