"""Imports between the packages go one way: cli -> {export, bench, video, train} -> engines -> flow."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dinoflow_deploy

PACKAGE = "dinoflow_deploy"
FOLDER = Path(dinoflow_deploy.__file__).parent

# What every layer may use; "" is the top package itself.
TOOLS = {
    "",
    "errors",
    "atomic",
    "home",
    "image_files",
    "image_headers",
    "interrupts",
    "lazy",
    "optional",
    "progress",
    "system_errors",
    "tables",
    "tiff_headers",
    "user_cache",
}
# What each layer may use beyond these and itself. Layers inside another one are named first.
MAY_IMPORT = {
    "train.model": {"engines", "hub"},
    "engines.pytorch": {"engines", "flow", "train.model"},
    "flow": set(),
    "datasets": {"flow"},
    "engines": {"flow", "hub"},
    "video": {"engines", "flow", "machine", "probes"},
    "bench": {"engines", "flow", "datasets", "machine"},
    "export": {"engines", "machine", "engines.pytorch", "flow", "datasets", "train.model"},
    "train": {"engines", "flow", "datasets", "hub", "train.model"},
    "cli": {
        "bench",
        "datasets",
        "doctor",
        "engines",
        "export",
        "flow",
        "hub",
        "inspection",
        "selftest",
        "train",
        "video",
    },
    "selftest": {"bench", "engines", "export", "machine", "probes", "train.model"},
    "hub": set(),
    "machine": set(),
    "probes": {"engines"},
    "inspection": {"engines"},
    "doctor": {"engines", "machine", "probes"},
    "demo": {"datasets", "engines", "flow", "video"},
    "__main__": {"cli"},
    # The top package re-exports these, lazily.
    "": {"engines"},
}
NO_TORCH = ("flow", "datasets", "engines", "video", "bench", "inspection")


def test_imports_follow_the_layers() -> None:
    found = [
        f"{path.relative_to(FOLDER)} imports {imported}"
        for path in sorted(FOLDER.rglob("*.py"))
        for imported in forbidden_imports(module_name(path), path.read_text())
    ]
    assert found == []


def test_a_forbidden_import_is_found_wherever_it_stands() -> None:
    source = "def f():\n    if x:\n        from dinoflow_deploy.cli.app import main\n"
    assert list(forbidden_imports("dinoflow_deploy.flow.files", source)) == ["dinoflow_deploy.cli.app"]
    engine = "from dinoflow_deploy import load_engine"
    assert list(forbidden_imports("dinoflow_deploy.datasets.clip", engine)) == ["dinoflow_deploy.engines"]
    assert list(forbidden_imports("dinoflow_deploy.video.pipeline", engine)) == []
    model = "import dinoflow_deploy.train.model.config"
    assert list(forbidden_imports("dinoflow_deploy.engines.pytorch", model)) == []
    assert list(forbidden_imports("dinoflow_deploy.engines.onnxruntime", model)) == [model.split()[1]]
    assert list(forbidden_imports("dinoflow_deploy.export.bundle", "import dinoflow_deploy.train.recipe"))


def test_running_needs_no_torch() -> None:
    """Every module of these packages but the PyTorch engine, imported where there is no torch."""
    modules = [
        name
        for name in map(module_name, sorted(FOLDER.rglob("*.py")))
        if layer_of(name) in NO_TORCH and layer_of(name) != "engines.pytorch"
    ]
    assert "dinoflow_deploy.video.pipeline" in modules
    assert "dinoflow_deploy.engines.onnxruntime" in modules
    code = (
        "import sys, importlib\n"
        "sys.modules['torch'] = None\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *modules], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def forbidden_imports(module: str, source: str) -> Iterator[str]:
    """The modules that a module's source imports and must not."""
    layer = layer_of(module)
    allowed = MAY_IMPORT.get(layer, set()) | TOOLS | {layer}
    return (name for name in imported_modules(source) if layer_of(name) not in allowed)


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


def layer_of(module: str) -> str:
    inner = module.removeprefix(PACKAGE).removeprefix(".")
    for nested in ("train.model", "engines.pytorch"):
        if inner == nested or inner.startswith(f"{nested}."):
            return nested
    return inner.partition(".")[0]


def module_name(path: Path) -> str:
    parts = path.relative_to(FOLDER).with_suffix("").parts
    return ".".join([PACKAGE, *(part for part in parts if part != "__init__")])
