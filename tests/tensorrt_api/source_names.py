"""The names of TensorRT that a source uses, as far as reading it tells.

A name after ``trt.`` and after a variable that always holds the same class is looked up where it belongs.
Whatever else stands after a dot is either a name of ours or of Python, or has to be one of TensorRT.
"""

import ast
import builtins
import importlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

CLASS_OF = {
    "builder": "Builder",
    "config": "IBuilderConfig",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "runtime": "Runtime",
    "cuda_engine": "ICudaEngine",
    "inspector": "EngineInspector",
    "_context": "IExecutionContext",
    "_engine": "ICudaEngine",
}
"""Variables and attributes that hold the same class wherever they stand in the files that are read."""
MODULES = ("trt", "_trt", "module")
"""What TensorRT's module is called."""


@dataclass
class Uses:
    """Names in a source.

    Attributes:
        paths: Such as ``"DataType.FLOAT"`` and ``"Builder.create_network"``.
        loose: After a dot, of no known class.
        asked: Only asked for, by ``hasattr`` or ``getattr`` with a default.
    """

    paths: set[str] = field(default_factory=set)
    loose: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)


def uses_in(source: str) -> Uses:
    """Read a source."""
    tree, found = ast.parse(source), Uses()
    inner: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node not in inner:
            _sort(node, found, inner)
        elif isinstance(node, ast.Call):
            found.asked |= set(_asked_for(node))
    found.loose -= found.asked
    return found


def _sort(node: ast.Attribute, found: Uses, inner: set[ast.AST]) -> None:
    """Outer attributes come first: what belongs to a path is not looked at again."""
    path = list(_path(node))
    owner = next((place for place, name in enumerate(path[:-1]) if name in MODULES or name in CLASS_OF), None)
    if owner is None or (path[owner] == "module" and not path[owner + 1][0].isupper()):
        found.loose.add(node.attr)
        return
    if path[owner] in MODULES:
        found.paths.add(".".join(path[owner + 1 : owner + 3]))
        value: Any = node
        while isinstance(value, ast.Attribute):
            inner.add(value)
            value = value.value
    else:
        found.paths.add(f"{CLASS_OF[path[owner]]}.{path[owner + 1]}")
        found.loose |= set(path[owner + 2 :])


def _path(node: ast.expr) -> Iterator[str]:
    """``a.b.c`` as its names; what is called or indexed before the dots has none."""
    if isinstance(node, ast.Attribute):
        yield from _path(node.value)
        yield node.attr
    elif isinstance(node, ast.Name):
        yield node.id


def _asked_for(call: ast.Call) -> Iterator[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    enough = {"hasattr": 2, "getattr": 3}.get(name)
    if len(call.args) == enough and isinstance(call.args[1], ast.Constant):
        yield call.args[1].value


def names_of_ours(sources: Iterable[str]) -> set[str]:
    """What sources define: functions, classes, fields, attributes, variables of modules."""
    found: set[str] = set()
    for tree in map(ast.parse, sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
                found |= {name for target in targets for name in _assigned(target)}
    return found


def _assigned(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Tuple):
        for each in target.elts:
            yield from _assigned(each)
    elif isinstance(target, ast.Name):
        yield target.id
    elif (
        isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    ):
        yield target.attr


def names_of_python(source: str) -> set[str]:
    """What the standard library and NumPy have that a source imports, and the types that are built in."""
    owners: list[Any] = [value for value in vars(builtins).values() if isinstance(value, type)]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            owners += [_module(alias.name) for alias in node.names if _is_pythons(alias.name)]
        elif isinstance(node, ast.ImportFrom) and node.module and _is_pythons(node.module):
            module = _module(node.module)
            owners += [module, *(getattr(module, alias.name, None) for alias in node.names)]
    kinds = [kind for owner in owners if isinstance(owner, ModuleType) for kind in _kinds(owner)]
    return {name for owner in (*owners, *kinds, type(_kinds)) for name in dir(owner)}


def _is_pythons(name: str) -> bool:
    first = name.partition(".")[0]
    return first in sys.stdlib_module_names or first == "numpy"


def _module(name: str) -> ModuleType:
    return importlib.import_module(name)


def _kinds(module: ModuleType) -> list[type]:
    return [value for value in vars(module).values() if isinstance(value, type)]


def read_sources(folder: Path) -> dict[str, str]:
    """Every source below a folder, by its path from there."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.py"))}
