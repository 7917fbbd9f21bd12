import math

import pytest

from dinoflow_deploy.datasets import SceneConfig
from dinoflow_deploy.errors import InputError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 15}, "height is 15; give a value from 16 to 4096"),
        ({"width": 5000}, "width is 5000"),
        ({"max_motion": -1.0}, "max_motion is -1.0"),
        ({"max_motion": math.nan}, "max_motion is nan"),
        ({"height": 64, "width": 40, "max_motion": 41}, "max_motion is 41; give a value from 0 to 40"),
        ({"max_objects": 201}, "max_objects is 201"),
        ({"min_objects": 5, "max_objects": 4}, "min_objects is 5; give a value from 0 to 4"),
        ({"static_probability": 1.5}, "static_probability is 1.5"),
        ({"blur_probability": -0.1}, "blur_probability"),
        ({"brightness_probability": math.inf}, "brightness_probability"),
        ({"noise_probability": 2}, "noise_probability"),
    ],
)
def test_value_outside_its_range_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SceneConfig(**options)


def test_limits_themselves_are_taken() -> None:
    SceneConfig(16, 4096, 16, min_objects=0, max_objects=0)
