"""Imports between the rooms of the package go one way, as the table in CONTRIBUTING.md says."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import dinoflow_deploy

PACKAGE = "dinoflow_deploy"
FOLDER = Path(dinoflow_deploy.__file__).parent
CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"

GROUND = {"errors", "lazy", "progress", "tables"}
"""Modules that every room may use, and that use none."""
INNER = ("train.model", "engines.pytorch", "engines.inductor")
"""Rooms inside another one."""
NO_TORCH = ("flow", "datasets", "bundles", "models", "tensorrt", "engines", "video", "bench", "inspection")


def test_rooms_import_what_contributing_says_and_nothing_else() -> None:
    assert imports_between_rooms() == imports_in_contributing()


def test_imports_make_no_circle() -> None:
    assert list(TopologicalSorter(imports_between_rooms()).static_order())
    above: set[str] = set()
    for room, imports in imports_in_contributing().items():
        assert imports <= above, f"CONTRIBUTING.md lists {room} above what it imports"
        above.add(room)


def test_the_ground_imports_nothing_but_the_ground() -> None:
    for name in GROUND:
        rooms = {room_of(each) for each in imported_modules((FOLDER / f"{name}.py").read_text())}
        assert rooms <= GROUND


def test_an_import_is_found_wherever_it_stands() -> None:
    source = "def f():\n    if x:\n        from dinoflow_deploy.cli.app import main\n"
    assert list(imported_modules(source)) == ["dinoflow_deploy.cli.app"]
    assert list(imported_modules("from dinoflow_deploy import load_engine")) == ["dinoflow_deploy.engines"]
    assert list(imported_modules("from dinoflow_deploy import train")) == ["dinoflow_deploy.train"]
    assert list(imported_modules("import dinoflow_deploy.flow.files")) == ["dinoflow_deploy.flow.files"]
    assert room_of("dinoflow_deploy.train.model.config") == "train.model"
    assert room_of("dinoflow_deploy.train.recipe") == "train"


def test_running_needs_no_torch() -> None:
    """Every module of these rooms but the engines in PyTorch, imported where there is no torch."""
    modules = [name for name in map(module_name, sorted(FOLDER.rglob("*.py"))) if room_of(name) in NO_TORCH]
    assert "dinoflow_deploy.video.pipeline" in modules
    assert "dinoflow_deploy.engines.onnxruntime.engine" in modules
    code = (
        "import sys, importlib\n"
        "sys.modules['torch'] = None\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *modules], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def imports_in_contributing() -> dict[str, set[str]]:
    """What each room imports beside the ground, from the table of rooms."""
    rows = re.findall(r"^\| `([\w.]+)` \|.*\|([^|]*)\|$", CONTRIBUTING.read_text(), re.MULTILINE)
    return {room: set(re.findall(r"`([\w.]+)`", imports)) for room, imports in rows}


def imports_between_rooms() -> dict[str, set[str]]:
    """What each room imports beside the ground, from the sources."""
    found: dict[str, set[str]] = {}
    for path in FOLDER.rglob("*.py"):
        room = room_of(module_name(path))
        imported = {room_of(name) for name in imported_modules(path.read_text())}
        found.setdefault(room, set()).update(imported - GROUND - {room, ""})
    return {room: rooms for room, rooms in found.items() if room not in {"", "__main__"} | GROUND}


def imported_modules(source: str) -> Iterator[str]:
    """Names of this package's modules that a source imports, in functions and for type checking too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            names = [named_by_the_top_package(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == PACKAGE)


def named_by_the_top_package(name: str) -> str:
    if name in ("FlowEngine", "load_engine", "to_frame"):
        return f"{PACKAGE}.engines"
    is_module = (FOLDER / name).is_dir() or (FOLDER / f"{name}.py").is_file()
    return f"{PACKAGE}.{name}" if is_module else PACKAGE


def room_of(module: str) -> str:
    """The room that a module belongs to; "" is the top package itself."""
    inside = module.removeprefix(PACKAGE).removeprefix(".")
    for room in INNER:
        if inside == room or inside.startswith(f"{room}."):
            return room
    return inside.partition(".")[0]


def module_name(path: Path) -> str:
    parts = path.relative_to(FOLDER).with_suffix("").parts
    return ".".join([PACKAGE, *(part for part in parts if part != "__init__")])
