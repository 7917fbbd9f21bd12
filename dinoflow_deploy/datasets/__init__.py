"""Data sets of frame pairs with optical flow.

Heavy modules load when a name is first used.
"""

from typing import TYPE_CHECKING

from dinoflow_deploy.lazy import lazy_names

if TYPE_CHECKING:
    from dinoflow_deploy.datasets.clip import SyntheticClip, render_clip
    from dinoflow_deploy.datasets.config import SceneConfig
    from dinoflow_deploy.datasets.flow_dataset import FlowDataset, PairFiles
    from dinoflow_deploy.datasets.flying_chairs import FlyingChairs
    from dinoflow_deploy.datasets.flying_things import FlyingThings
    from dinoflow_deploy.datasets.flying_things_subset import FlyingThingsSubset
    from dinoflow_deploy.datasets.hd1k import Hd1k
    from dinoflow_deploy.datasets.kitti import Kitti2012, Kitti2015
    from dinoflow_deploy.datasets.pairs_file import PairsFile
    from dinoflow_deploy.datasets.registry import open_dataset
    from dinoflow_deploy.datasets.sample import FlowSample
    from dinoflow_deploy.datasets.sintel import Sintel
    from dinoflow_deploy.datasets.spring import Spring
    from dinoflow_deploy.datasets.synthetic import SyntheticScenes

__all__ = [
    "FlowDataset",
    "FlowSample",
    "FlyingChairs",
    "FlyingThings",
    "FlyingThingsSubset",
    "Hd1k",
    "Kitti2012",
    "Kitti2015",
    "PairFiles",
    "PairsFile",
    "SceneConfig",
    "Sintel",
    "Spring",
    "SyntheticClip",
    "SyntheticScenes",
    "open_dataset",
    "render_clip",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "FlowDataset": "flow_dataset",
        "FlowSample": "sample",
        "FlyingChairs": "flying_chairs",
        "FlyingThings": "flying_things",
        "FlyingThingsSubset": "flying_things_subset",
        "Hd1k": "hd1k",
        "Kitti2012": "kitti",
        "Kitti2015": "kitti",
        "PairFiles": "flow_dataset",
        "PairsFile": "pairs_file",
        "SceneConfig": "config",
        "Sintel": "sintel",
        "Spring": "spring",
        "SyntheticClip": "clip",
        "SyntheticScenes": "synthetic",
        "open_dataset": "registry",
        "render_clip": "clip",
    },
)
