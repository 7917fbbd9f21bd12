import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export import PackageOptions
from dinoflow_deploy.export.targets import INDUCTOR, target_of


def test_its_options_are_those_of_the_target() -> None:
    assert target_of(PackageOptions()) is INDUCTOR


def test_another_device_is_refused() -> None:
    with pytest.raises(InputError, match="the device 'mps' is not one of auto, cuda, cpu"):
        PackageOptions(device="mps")
