"""Published weights: where they are and how they are loaded, whole or not at all."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dinoflow_deploy.errors import FileFormatError, ModelError
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.models.published import PUBLISHED_BACKBONES, published_models
from dinoflow_deploy.models.registry import MODELS
from dinoflow_deploy.system.hub import resolve_reference
from dinoflow_deploy.system.system_errors import check_readable
from dinoflow_deploy.train.model.backbone_layouts import to_our_names
from dinoflow_deploy.train.model.config import FlowModelConfig
from dinoflow_deploy.train.model.flow_model import FlowModel
from dinoflow_deploy.train.model.strict_load import load_strictly


def load_backbone_weights(model: FlowModel, source: str | Path | None) -> None:
    """Load a backbone from a file, the hub, or this package; see ``FlowModel.from_pretrained``.

    Raises:
        ModelError: Nothing is published for this backbone, or names or shapes do not fit.
        FileFormatError: The file is missing or damaged.
    """
    tensors, origin = _read(source or _published_backbone(model.config))
    named = to_our_names(tensors, model.config.backbone_config, origin)
    load_strictly(model.backbone, named, origin)


def load_head_weights(model: FlowModel, source: str | Path | None, renames: dict[str, str]) -> None:
    """Load a decoder from a file, the hub, or this package; see ``FlowModel.from_pretrained``.

    Raises:
        ModelError: Nothing is published for this model, or names or shapes do not fit.
        FileFormatError: The file is missing or damaged.
    """
    tensors, origin = _read(source or _published_head(model.config.name))
    renamed = _renamed(_part(tensors, "head."), renames, origin)
    load_strictly(model.head, renamed, origin, "Where only names differ, --rename old=new maps them")


def _renamed(tensors: dict[str, Tensor], renames: dict[str, str], origin: str) -> dict[str, Tensor]:
    absent = sorted(renames.keys() - tensors.keys())
    if absent:
        raise ModelError(f"--rename {', '.join(absent)}: no such names in {origin}")
    renamed = {renames.get(key, key): tensor for key, tensor in tensors.items()}
    if len(renamed) < len(tensors):
        raise ModelError(f"--rename gives two tensors of {origin} one name: {sorted(renames.values())}")
    return renamed


def _published_backbone(config: FlowModelConfig) -> str | Path:
    # A model that is new, of a backbone that another one has, begins with that one's.
    for name in (config.name, config.backbone):
        if builtin := builtin_models().get(name):
            return builtin.weights
    if config.backbone not in PUBLISHED_BACKBONES:
        raise ModelError(
            f"no backbone is published for '{config.backbone}': pass a file with --backbone-weights"
        )
    return PUBLISHED_BACKBONES[config.backbone]


def _published_head(name: str) -> str | Path:
    if builtin := builtin_models().get(name):
        return builtin.weights
    if name not in published_models():
        raise ModelError(f"no decoder is published for '{name}': pass a file with --head")
    return MODELS[name].published


def _read(source: str | Path) -> tuple[dict[str, Tensor], str]:
    path = resolve_reference(source)
    check_readable(path)
    if path.suffix == ".pth":
        return _read_pth(path), str(source)
    try:
        return load_file(path), str(source)
    except (SafetensorError, OSError) as error:
        raise FileFormatError(f"{path} cannot be read as .safetensors weights: {error}") from error


def _read_pth(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch has pickle's own errors, and refusals, under many names
        raise FileFormatError(
            f"{path} is damaged or holds more than tensors, which is never unpickled: pass the release's own "
            "file, or .safetensors"
        ) from error
    if isinstance(content, dict) and all(isinstance(value, Tensor) for value in content.values()):
        return content
    raise FileFormatError(f"{path} holds a {type(content).__name__}, not a state dict of tensors")


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The decoder's part of a complete model, or all of a file that holds a decoder alone."""
    part = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    return part or tensors
