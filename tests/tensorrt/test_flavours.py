from types import SimpleNamespace

import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.tensorrt.flavours import FLAVOURS, find_flavour, release_of


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("10.16.1.11", (10, 16)),
        ("11.4.0", (11, 4)),
        ("2.4.0rc1", (2, 4)),
        ("2.13.0+cu130", (2, 13)),
        ("2.4.0.dev0+git20250101.abc1234", (2, 4)),
    ],
)
def test_a_release_is_major_and_minor(version: str, release: tuple[int, int]) -> None:
    module = SimpleNamespace(__version__=version)
    assert release_of(module) == release  # type: ignore[arg-type]


def test_flavours_are_found_by_name() -> None:
    assert [find_flavour(flavour.name) for flavour in FLAVOURS] == list(FLAVOURS)
    with pytest.raises(InputError, match="the flavour 'trt' of TensorRT is not known: use tensorrt, rtx"):
        find_flavour("trt")
