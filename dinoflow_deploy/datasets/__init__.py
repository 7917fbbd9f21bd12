"""Data sets of frame pairs with optical flow.

Heavy modules load when a name is first used.
"""

from typing import TYPE_CHECKING

from dinoflow_deploy.lazy import lazy_names

if TYPE_CHECKING:
    from dinoflow_deploy.datasets.flow_dataset import FlowDataset, PairFiles
    from dinoflow_deploy.datasets.readers.flying_chairs import FlyingChairs
    from dinoflow_deploy.datasets.readers.flying_things import FlyingThings
    from dinoflow_deploy.datasets.readers.flying_things_subset import FlyingThingsSubset
    from dinoflow_deploy.datasets.readers.hd1k import Hd1k
    from dinoflow_deploy.datasets.readers.kitti import Kitti2012, Kitti2015
    from dinoflow_deploy.datasets.readers.pairs_file import PairsFile
    from dinoflow_deploy.datasets.readers.sintel import Sintel
    from dinoflow_deploy.datasets.readers.spring import Spring
    from dinoflow_deploy.datasets.registry import open_dataset
    from dinoflow_deploy.datasets.sample import FlowSample
    from dinoflow_deploy.datasets.scenes.clip import SyntheticClip, render_clip
    from dinoflow_deploy.datasets.scenes.scene_config import SceneConfig
    from dinoflow_deploy.datasets.scenes.synthetic_scenes import SyntheticScenes

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
        "FlowDataset": "datasets.flow_dataset",
        "FlowSample": "datasets.sample",
        "FlyingChairs": "datasets.readers.flying_chairs",
        "FlyingThings": "datasets.readers.flying_things",
        "FlyingThingsSubset": "datasets.readers.flying_things_subset",
        "Hd1k": "datasets.readers.hd1k",
        "Kitti2012": "datasets.readers.kitti",
        "Kitti2015": "datasets.readers.kitti",
        "PairFiles": "datasets.flow_dataset",
        "PairsFile": "datasets.readers.pairs_file",
        "SceneConfig": "datasets.scenes.scene_config",
        "Sintel": "datasets.readers.sintel",
        "Spring": "datasets.readers.spring",
        "SyntheticClip": "datasets.scenes.clip",
        "SyntheticScenes": "datasets.scenes.synthetic_scenes",
        "open_dataset": "datasets.registry",
        "render_clip": "datasets.scenes.clip",
    },
)
