"""Complete models as one ``.safetensors``: every weight, with the configuration in the metadata."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save, save_file
from torch import Tensor

from dinoflow_deploy.atomic import atomic_file
from dinoflow_deploy.errors import FileFormatError, ModelError
from dinoflow_deploy.system.system_errors import check_readable
from dinoflow_deploy.train.model.config import FlowModelConfig
from dinoflow_deploy.train.model.flow_model import FlowModel
from dinoflow_deploy.train.model.strict_load import load_strictly

CONFIG_KEY = "dinoflow_config"
CHECKPOINT_KEY = "dinoflow_checkpoint"


def save_model(model: FlowModel, path: Path, dtype: torch.dtype | None = None) -> None:
    """Write a model whole, with its configuration as JSON in the metadata.

    A file that exists is replaced.

    Args:
        model: What to write.
        path: Where to.
        dtype: Type to round its floating-point weights to; by default they stay as they are.
    """
    with atomic_file(path, overwrite=True) as partial:
        save_file(_tensors(model, dtype), partial, metadata=_metadata(model))


def model_sha256(model: FlowModel) -> str:
    """SHA-256 of the file that ``save_model`` writes: of its own, where the model comes from one."""
    return hashlib.sha256(save(_tensors(model, None), metadata=_metadata(model))).hexdigest()


def _tensors(model: FlowModel, dtype: torch.dtype | None) -> dict[str, Tensor]:
    return {
        name: tensor.detach().cpu().to(dtype if tensor.is_floating_point() else None).contiguous()
        for name, tensor in model.state_dict().items()
    }


def _metadata(model: FlowModel) -> dict[str, str]:
    return {CONFIG_KEY: json.dumps(model.config.to_dict(), sort_keys=True)}


def load_model(path: Path) -> FlowModel:
    """Read a complete model, in evaluation mode, on the CPU.

    Raises:
        FileFormatError: The file is missing, damaged, or not a safetensors file.
        ModelError: It holds no configuration, or its weights do not fit it.
    """
    check_readable(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise FileFormatError(f"{path} cannot be read as a .safetensors model: {error}") from error
    if CHECKPOINT_KEY in metadata:
        raise ModelError(
            f"{path} is the checkpoint of a training run, not a model: give best.safetensors or "
            "last.safetensors, which lie beside it, or go on with train --resume"
        )
    if CONFIG_KEY not in metadata:
        raise ModelError(
            f"{path} holds no model configuration, so it is not a complete model: "
            "a decoder or backbone alone goes to --head or --backbone-weights"
        )
    model = FlowModel(_config(metadata[CONFIG_KEY], path))
    load_strictly(model, tensors, str(path))
    return model.eval()


def _config(text: str, path: Path) -> FlowModelConfig:
    try:
        return FlowModelConfig.from_dict(json.loads(text))
    except (json.JSONDecodeError, ModelError) as error:
        raise ModelError(f"{path} holds a model configuration that cannot be used: {error}") from error
