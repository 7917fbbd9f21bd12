"""RAFT's settings for each data set, and settings out of a recipe."""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.system.dataclass_reader import check_fields
from dinoflow_deploy.train.augmentation.settings import Augmentation

# RAFT's SparseFlowAugmentor.
_SPARSE: Final[dict[str, Any]] = {
    "sparse": True,
    "brightness": 0.3,
    "contrast": 0.3,
    "saturation": 0.3,
    "hue": 0.3 / 3.14,
    "asymmetric_probability": 0.0,
    "stretch_probability": 0.0,
    "size_margin": 1,
    "vertical_flip_probability": 0.0,
    "crop_margin_sides": 50,
    "crop_margin_bottom": 20,
}


def _preset(crop: tuple[int, int], scale: tuple[float, float], **others: Any) -> Augmentation:
    return Augmentation(
        crop_height=crop[0], crop_width=crop[1], min_scale=scale[0], max_scale=scale[1], **others
    )


PRESETS: Final[Mapping[str, Augmentation]] = MappingProxyType(
    {
        "chairs": _preset((368, 496), (-0.1, 1.0)),
        "things": _preset((400, 720), (-0.4, 0.8)),
        "sintel": _preset((368, 768), (-0.2, 0.6)),
        "kitti": _preset((288, 960), (-0.2, 0.4), horizontal_flip_probability=0.0, **_SPARSE),
        "kitti-mix": _preset((368, 768), (-0.3, 0.5), **_SPARSE),
        "hd1k": _preset((368, 768), (-0.5, 0.2), **_SPARSE),
    }
)
"""By name. "kitti" is RAFT's fine-tuning on KITTI alone, "kitti-mix" and "hd1k" their parts in the mixture
with Sintel. Crops are RAFT's too. Source: ``core/datasets.py`` and ``train_standard.sh`` of RAFT."""


def augmentation_preset(name: str, **changes: Any) -> Augmentation:
    """A preset, with some of its values replaced.

    Args:
        name: A key of ``PRESETS``.
        **changes: Fields of :class:`Augmentation`, such as ``crop_height=512, crop_width=512``.

    Raises:
        InputError: No such preset or field, or a value of the wrong type or outside its range.
    """
    return read_augmentation({"preset": name, **changes})


def read_augmentation(table: Mapping[str, Any]) -> Augmentation:
    """Settings from a recipe's table, such as ``{preset = "chairs", crop_height = 512, crop_width = 512}``.

    Args:
        table: Fields of :class:`Augmentation`. With ``preset``, those that are not named are the preset's;
            without, crop and scale must be given.

    Raises:
        InputError: No such preset or field, or a value that is missing, of the wrong type or out of range.
    """
    values = {name: value for name, value in table.items() if name != "preset"}
    check_fields(Augmentation, values, "augmentation", others=("preset",))
    if "preset" not in table:
        return _without_preset(values)
    name = table["preset"]
    if not isinstance(name, str) or name not in PRESETS:
        raise InputError(f"no augmentation preset {name!r}: choose one of {', '.join(PRESETS)}")
    return dataclasses.replace(PRESETS[name], **values)


def _without_preset(values: dict[str, Any]) -> Augmentation:
    missing = [
        field.name
        for field in dataclasses.fields(Augmentation)
        if field.default is dataclasses.MISSING and field.name not in values
    ]
    if missing:
        raise InputError(
            f"augmentation lacks {', '.join(missing)}: give them, or preset, one of {', '.join(PRESETS)}"
        )
    return Augmentation(**values)
