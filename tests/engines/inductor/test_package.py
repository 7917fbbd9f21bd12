from dataclasses import replace
from pathlib import Path

import pytest

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.engines.inductor.package import Package, find_package
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.models.builtin import builtin_models
from tests.engines.inductor.conftest import WritePackage
from tests.engines.inductor.infos import ON_CPU, ON_GPU
from tests.small_bundles import WriteBundle


def test_of_a_bundle_and_of_its_folder(write_package: WritePackage) -> None:
    folder = write_package(ON_CPU)
    for source in (folder, Bundle.open(folder)):
        found = find_package(source)
        assert (found.path, found.info) == (folder / "model.pt2", ON_CPU)


def test_the_command_that_compiles_it_again(write_package: WritePackage) -> None:
    package = find_package(write_package(ON_CPU))
    assert package.rebuild("cpu") == (
        "dinoflow-deploy export --model WEIGHTS --precision fp32 --size 64x96 --batch 2 --target inductor "
        "--device cpu --output NEW"
    )
    sides = AxisRange(64, 448, 1088), AxisRange(64, 1024, 1920)
    nano = Bundle.open(builtin_models()["nano"].bundle).manifest
    info = replace(ON_GPU, inputs=InputRange(AxisRange(1, 1, 4), *sides), model_input="frames")
    ranged = Package(package.path, nano, info)
    assert ranged.rebuild("cuda") == (
        "dinoflow-deploy export --model nano --precision fp32 --min 64x64,1 --opt 448x1024,1 "
        "--max 1088x1920,4 --input frames --target inductor --device cuda --output NEW"
    )


def test_a_bundle_without_one_says_how_to_compile_one(write_bundle: WriteBundle) -> None:
    folder = write_bundle()
    with pytest.raises(InputError, match=r"holds no package .* export --model WEIGHTS --target inductor"):
        find_package(folder)
    with pytest.raises(
        InputError, match=r"does not run .* export --model WEIGHTS --target inductor --output NEW"
    ):
        load_engine(folder, "inductor")


def test_native_code_is_run_from_a_whole_bundle_alone(write_package: WritePackage, tmp_path: Path) -> None:
    folder = write_package(ON_CPU)
    path = folder / "model.pt2"
    with pytest.raises(FileFormatError, match="native code, and is run from a bundle alone"):
        find_package(path)
    with pytest.raises(InputError, match="it must be the folder of a bundle"):
        load_engine(path, "inductor")
    path.write_bytes(b"SOMETHING ELS")
    with pytest.raises(FileFormatError, match=r"model\.pt2 is not the file that was exported"):
        load_engine(folder, "inductor")
