import re
import sys
import tomllib
from importlib import metadata, util
from pathlib import Path

import pytest

from dinoflow_deploy.errors import MissingPackageError
from dinoflow_deploy.system import optional

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


# As setuptools writes it into the wheel.
STATED = [
    "numpy>=1.26",
    'onnxruntime>=1.20; extra == "cpu"',
    'onnxruntime-gpu[cuda]>=1.24; extra == "gpu"',
    'h5py>=3; extra == "flo5"',
    'torch>=2; extra == "export"',
    'onnx>=1; extra == "export"',
    'dinoflow-deploy[export]; extra == "train"',
    'tensorboard>=2.16; extra == "train"',
    'tomli>=2; python_version < "3.11"',
    'tomli-w>=1; python_version < "3.11" and extra == "train"',
]


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "find_spec", lambda name: None)


@pytest.fixture
def stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: STATED)


@pytest.mark.usefixtures("stated")
def test_requirements_of_an_extra() -> None:
    assert optional.requirements("train") == ["torch>=2", "onnx>=1", "tensorboard>=2.16"]
    assert optional.requirements("cpu") == ["onnxruntime>=1.20"]
    assert optional.requirements(None) == ["numpy>=1.26"]


def test_a_clone_that_is_not_installed_is_installed_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    assert optional.install_command(optional.requirements("cpu")) == "pip install '.[cpu]'"


@pytest.mark.usefixtures("stated")
def test_an_extra_newer_than_what_is_installed_comes_from_the_clone() -> None:
    assert optional.install_command(optional.requirements("of-tomorrow")) == "pip install '.[of-tomorrow]'"


def test_installed_package_is_given() -> None:
    assert optional.require("onnx.numpy_helper", "this test") is sys.modules["onnx.numpy_helper"]


@pytest.mark.usefixtures("nothing_installed", "stated")
def test_missing_package_is_named_with_what_brings_it() -> None:
    with pytest.raises(MissingPackageError) as caught:
        optional.require("h5py", "reading .flo5 files")
    assert str(caught.value) == (
        "reading .flo5 files needs the package 'h5py', which is not installed: pip install 'h5py>=3'"
    )


@pytest.mark.usefixtures("nothing_installed", "stated")
def test_part_of_a_missing_package_names_the_package() -> None:
    with pytest.raises(MissingPackageError, match=r"the package 'torch'.*pip install 'torch>=2' 'onnx>=1'$"):
        optional.require("torch.onnx", "exporting")


@pytest.mark.usefixtures("nothing_installed", "stated")
def test_onnx_runtime_comes_in_two_extras() -> None:
    with pytest.raises(
        MissingPackageError,
        match=r"pip install 'onnxruntime>=1\.20', .* GPU: pip install 'onnxruntime-gpu\[cuda\]>=1\.24'$",
    ):
        optional.require("onnxruntime", "the backend 'onnxruntime'")


def test_a_package_that_is_there_and_broken_is_no_missing_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorrt.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        optional.require("tensorrt", "this test")


def test_a_package_that_others_share_is_missing_without_the_part_that_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``cuda``, which cuda-pathfinder brings too."""
    (tmp_path / "shared_name").mkdir()
    (tmp_path / "shared_name" / "other.py").touch()
    (tmp_path / "shared_name" / "broken").mkdir()
    (tmp_path / "shared_name" / "broken" / "__init__.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(optional._EXTRA_OF, "shared_name", "tensorrt")
    assert optional.require("shared_name.other", "this test")
    for part in ("shared_name.part", "shared_name.part.deeper"):
        with pytest.raises(MissingPackageError, match="this test needs the package 'shared_name'"):
            optional.require(part, "this test")
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        optional.require("shared_name.broken.part", "this test")


def test_looking_does_not_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "looked_for.py").write_text("raise AssertionError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert optional.is_installed("looked_for")
    assert not optional.is_installed("no_such_package")
    assert not optional.is_installed("no_such_package.part")


@pytest.mark.parametrize("package", sorted(optional._EXTRA_OF))
@pytest.mark.usefixtures("nothing_installed")
def test_every_extra_named_in_a_message_exists_and_brings_the_package(package: str) -> None:
    with pytest.raises(MissingPackageError) as caught:
        optional.require(package, "this test")
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    named = optional._EXTRA_OF[package]
    # The module tensorrt_rtx_bindings is brought by tensorrt-rtx-cu13-bindings.
    brings = package.removesuffix("_bindings").replace("_", "-")
    assert any(requirement.startswith(brings) for requirement in extras[named])
    command = optional.install_command(optional.requirements(named))
    assert command in str(caught.value)
    assert re.search(rf"\b{brings}\b", command)
