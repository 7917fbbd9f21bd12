"""A recipe small enough to train in seconds."""

from pathlib import Path

TINY = """
seed = 5
checkpoint_every = 2
log_every = 1
workers = {workers}
[model]
backbone = "nano"
train_backbone = true
[optimizer]
learning_rate = 1e-3
warmup_steps = 2
ema_decay = 0.9
[[stages]]
steps = 4
batch_size = 2
flow_weight = 0.0
matching_weight = 1.0
synthetic = {{ seed = 1, height = 32, width = 48, max_motion = 8, min_objects = 0, max_objects = 1 }}
[[stages]]
steps = 6
batch_size = 4
synthetic = {{ seed = 2, height = 48, width = 32, max_motion = 8, min_objects = 0, max_objects = 1 }}
[validation]
every = 3
pairs = 3
synthetic = {{ seed = 3, height = 32, width = 32, max_motion = 8, min_objects = 0, max_objects = 1 }}
"""


def write_tiny_recipe(folder: Path, *, workers: int = 0, **replacements: str) -> Path:
    """Write the recipe, with lines replaced: ``learning_rate="1e30"``."""
    lines = TINY.format(workers=workers).splitlines()
    for key, value in replacements.items():
        lines = [f"{key} = {value}" if line.startswith(f"{key} =") else line for line in lines]
    path = folder / "tiny.toml"
    path.write_text("\n".join(lines))
    return path
