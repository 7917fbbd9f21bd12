"""The folder of a training run, and its checkpoint: how far it came, and which of its files are models."""

import json
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open

from dinoflow_deploy.bundles.manifest import MANIFEST_NAME
from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.inspection.report import TrainingDetails
from dinoflow_deploy.system.system_errors import check_readable

CHECKPOINT_NAME: Final = "checkpoint.safetensors"
CHECKPOINT_KEY: Final = "dinoflow_checkpoint"
"""Where checkpoints keep their state; ``train``, which needs torch, writes it."""

# In the order in which one would take them.
_MODELS: Final = {"best.safetensors": "lowest validation EPE", "last.safetensors": "of the last checkpoint"}


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a training run."""
    return (folder / CHECKPOINT_NAME).is_file() and not (folder / MANIFEST_NAME).exists()


def model_files(folder: Path) -> list[Path]:
    """The complete models that a run has left so far."""
    return [folder / name for name in _MODELS if (folder / name).is_file()]


def read_checkpoint(path: Path) -> TrainingDetails | None:
    """What a checkpoint says about its run; ``None`` for a file that is no checkpoint.

    Raises:
        FileFormatError: It cannot be opened, is damaged, or not a ``.safetensors`` file.
    """
    check_readable(path)
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(CHECKPOINT_KEY)
        return None if text is None else _details(json.loads(text), path.parent)
    except (SafetensorError, OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path} cannot be read as a checkpoint: {error}") from error


def _details(state: dict[str, Any], folder: Path) -> TrainingDetails:
    models = {str(path): _MODELS[path.name] for path in model_files(folder)}
    return TrainingDetails(
        step=int(state["step"]),
        # Not there in a checkpoint that was written before it was measured.
        start_epe=_number(state.get("start_epe")),
        best_epe=_number(state["best_epe"]),
        models=models,
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
