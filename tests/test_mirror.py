"""The test of a module is found by its name: ``tests/flow/test_files.py`` is that of ``flow/files.py``.

That of a package's own file is ``test_init.py``. Where a module has several, or a package as a whole has one,
the name goes on after the module's: ``test_files_damaged.py``.
"""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "dinoflow_deploy"

OF_THE_WHOLE = {
    "benchmarks/test_scripts.py",
    "test_dockerfile.py",
    "test_docs.py",
    "test_end_to_end.py",
    "test_layers.py",
    "test_mirror.py",
    "test_one_door.py",
    "test_readme.py",
    "test_wheel.py",
}
"""Tests of the package as a whole, or of what stands beside it."""
OF_TESTS = {"tensorrt_api/test_conformance.py", "tensorrt_model/test_model.py"}
"""Tests of what other tests run on."""
OF_COMMANDS = {
    "engines/tensorrt/test_command.py",
    "export/test_command.py",
    "export/plugin/test_command.py",
    "export/tensorrt/test_command.py",
}
"""The command line of a room, whose fixtures they share."""


def test_each_test_is_found_by_its_module_s_name() -> None:
    named = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    lost = {name for name in named if not is_found(Path(name))}
    assert lost == OF_THE_WHOLE | OF_TESTS | OF_COMMANDS


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("flow/test_files.py", True),
        ("flow/test_files_damaged.py", True),
        ("flow/test_init.py", True),
        ("test_flow.py", True),
        ("train/test_files.py", False),
        ("flow/test_filesdamaged.py", False),
        ("flow/test_damaged_files.py", False),
        ("nowhere/test_init.py", False),
        ("benchmarks/test_recording.py", True),
    ],
)
def test_a_test_is_found_where_its_module_is(name: str, found: bool) -> None:
    assert is_found(Path(name)) == found


def is_found(test: Path) -> bool:
    """Whether a module or package stands in the place of a test."""
    folder = TESTS.parent / "benchmarks" if test.parts[0] == "benchmarks" else PACKAGE / test.parent
    words = test.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
    names = ["__init__"] if names == ["init"] else names
    files = (file for name in names for file in (f"{name}.py", f"{name}/__init__.py"))
    return any((folder / file).is_file() for file in files)
