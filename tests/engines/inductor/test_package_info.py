from dataclasses import replace

import pytest

from dinoflow_deploy.engines.inductor.package_info import PackageInfo
from dinoflow_deploy.errors import FileFormatError
from tests.engines.inductor.infos import ON_CPU, ON_GPU


@pytest.mark.parametrize("info", [ON_CPU, ON_GPU])
def test_a_manifest_says_all_of_it(info: PackageInfo) -> None:
    assert PackageInfo.of(info.artefact()) == info


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("device", "mps", "the device 'mps' of a package is not one of cpu, cuda"),
        ("model_input", "video", "the model_input 'video' of a package is not one of images, frames"),
        ("extensions", "avx", "extensions"),
    ],
)
def test_what_a_later_release_may_write_is_refused(name: str, value: str, said: str) -> None:
    artefact = ON_CPU.artefact()
    with pytest.raises(FileFormatError, match=said):
        PackageInfo.of(replace(artefact, details=artefact.details | {name: value}))
