import dataclasses
import json
import tomllib

import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.train.augmentation import PRESETS, Augmentation, augmentation_preset, read_augmentation


def test_the_presets_are_those_of_raft() -> None:
    """`core/datasets.py`, `core/utils/augmentor.py` and `train_standard.sh` of RAFT."""
    dense = {
        "chairs": (368, 496, -0.1, 1.0),
        "things": (400, 720, -0.4, 0.8),
        "sintel": (368, 768, -0.2, 0.6),
    }
    sparse = {
        "kitti": (288, 960, -0.2, 0.4),
        "kitti-mix": (368, 768, -0.3, 0.5),
        "hd1k": (368, 768, -0.5, 0.2),
    }
    assert set(PRESETS) == {*dense, *sparse}
    for name, (height, width, low, high) in (dense | sparse).items():
        found = PRESETS[name]
        assert (found.crop_height, found.crop_width) == (height, width)
        assert (found.min_scale, found.max_scale) == (low, high)
        assert (found.eraser_probability, found.resize_probability) == (0.5, 0.8)
        assert (found.eraser_min_side, found.eraser_max_side, found.eraser_max_rectangles) == (50, 99, 2)
        assert found.sparse == (name in sparse)
        strength, hue = (0.3, 0.3 / 3.14) if found.sparse else (0.4, 0.5 / 3.14)
        assert (found.brightness, found.contrast, found.saturation) == (strength,) * 3
        assert found.hue == hue
        assert found.asymmetric_probability == (0 if found.sparse else 0.2)
        assert (found.stretch_probability, found.max_stretch) == (0 if found.sparse else 0.8, 0.2)
        assert found.size_margin == (1 if found.sparse else 8)
        assert found.horizontal_flip_probability == (0 if name == "kitti" else 0.5)
        assert found.vertical_flip_probability == (0 if found.sparse else 0.1)
        assert (found.crop_margin_sides, found.crop_margin_bottom) == ((50, 20) if found.sparse else (0, 0))
        assert found.max_noise == 0


@pytest.mark.parametrize("name", PRESETS)
def test_settings_come_back_from_a_file(name: str) -> None:
    # A dictionary of plain values is one line of TOML for each.
    text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in PRESETS[name].to_dict().items())
    assert read_augmentation(tomllib.loads(text)) == PRESETS[name]


def test_a_preset_gives_what_a_table_does_not_name() -> None:
    found = read_augmentation(tomllib.loads('preset = "chairs"\ncrop_height = 512\nmin_scale = 0'))
    assert found == dataclasses.replace(PRESETS["chairs"], crop_height=512, min_scale=0)
    assert found == augmentation_preset("chairs", crop_height=512, min_scale=0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"preset": "chair"}, "no augmentation preset 'chair': choose one of chairs, things"),
        ({"preset": ["chairs"]}, "no augmentation preset"),
        ({"preset": "chairs", "crop": 512}, "unknown keys crop: known are preset, crop_height"),
        ({"preset": "chairs", "sparse": 1}, "sparse is 1: it must be true or false"),
        ({"preset": "chairs", "crop_height": True}, "crop_height is True: it must be a whole number"),
        ({"preset": "chairs", "crop_height": 512.0}, "crop_height is 512.0: it must be a whole number"),
        ({"preset": "chairs", "hue": "much"}, "hue is 'much': it must be a number"),
        ({"crop_height": 512, "min_scale": 0}, "augmentation lacks crop_width, max_scale"),
    ],
)
def test_a_wrong_table_is_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_augmentation(table)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crop_height", 15),
        ("crop_width", 4097),
        ("min_scale", -4.5),
        ("min_scale", float("nan")),
        ("max_scale", -0.5),
        ("max_scale", 5),
        ("brightness", -0.1),
        ("contrast", float("inf")),
        ("hue", 0.51),
        ("eraser_probability", 1.01),
        ("vertical_flip_probability", -0.01),
        ("eraser_max_rectangles", 0),
        ("eraser_max_side", 49),
        ("max_stretch", -1),
        ("size_margin", -1),
        ("crop_margin_sides", -1),
        ("max_noise", 256),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} is {value}; give a value from"):
        augmentation_preset("chairs", **{name: value})


def test_crop_and_scale_have_no_default() -> None:
    with pytest.raises(TypeError):
        Augmentation()  # type: ignore[call-arg]
