import importlib

import pytest

LAZY = ["", ".datasets", ".engines", ".export", ".flow", ".selftest", ".video"]


@pytest.mark.parametrize("name", LAZY)
def test_dir_shows_the_public_names_and_each_is_there(name: str) -> None:
    package = importlib.import_module(f"dinoflow_deploy{name}")
    assert dir(package) == sorted(package.__all__)
    for public in package.__all__:
        assert getattr(package, public) is not None


@pytest.mark.parametrize("name", LAZY)
def test_other_names_are_no_attributes(name: str) -> None:
    package = importlib.import_module(f"dinoflow_deploy{name}")
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'missing'"):
        _ = package.missing


def test_a_name_is_what_its_module_defines() -> None:
    from dinoflow_deploy import engines, load_engine
    from dinoflow_deploy.engines import loading

    assert load_engine is engines.load_engine is loading.load_engine
