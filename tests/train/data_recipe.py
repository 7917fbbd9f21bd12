"""A recipe on small trees in the layouts of FlyingChairs and FlyingThings3D."""

import tomllib
from pathlib import Path
from typing import Any

from dinoflow_deploy.datasets.scenes.synthetic_tree import write_synthetic_tree
from dinoflow_deploy.train.recipe import Recipe

DATA = """
seed = 5
checkpoint_every = 2
log_every = 1
workers = 0
[model]
backbone = "micro"
train_backbone = true
[optimizer]
learning_rate = 1e-3
warmup_epochs = 0.5
schedule = "stage"
autocast = "off"
[[stages]]
epochs = 2
batch_size = 4
data = [
    { dataset = "flyingchairs", augmentation = { preset = "chairs", crop_height = 48, crop_width = 64 } },
]
[[stages]]
steps = 5
batch_size = 4
learning_rate = 5e-4
data = [
    { dataset = "flyingchairs", augmentation = { preset = "chairs", crop_height = 32, crop_width = 48 } },
    { dataset = "things-clean", augmentation = { preset = "things", crop_height = 32, crop_width = 48 } },
]
[validation]
every = 3
data = [{ dataset = "flyingchairs", split = "val" }, { dataset = "things-final" }]
"""


def data_tables() -> dict[str, Any]:
    return tomllib.loads(DATA)


def data_recipe() -> Recipe:
    return Recipe.from_dict(data_tables())


def write_trees(folder: Path) -> Path:
    """13 pairs of Chairs, one of them for validation, and 18 of Things in each pass."""
    write_synthetic_tree("chairs", folder / "FlyingChairs", pairs=14, size=(64, 80), seed=1)
    write_synthetic_tree("things", folder / "FlyingThings3D", pairs=18, size=(64, 80), seed=2)
    return folder
