"""The row of torchvision's models."""

from typing import Final

from dinoflow_deploy.engines.backend import Backend
from dinoflow_deploy.engines.kinds import Kind
from dinoflow_deploy.engines.pytorch.backend import PACKAGE

BACKEND: Final = Backend(
    name="torchvision",
    title="torchvision",
    runs=(
        Kind(
            "torchvision",
            "a model of torchvision",
            names=("torchvision-raft-large", "torchvision-raft-small"),
        ),
    ),
    devices=("cpu", "cuda"),
    engine="dinoflow_deploy.engines.pytorch.torchvision_raft:TorchvisionRaftEngine",
    # The engine says itself how to get torchvision, which no extra brings.
    packages=(PACKAGE,),
)
