"""Writes what a TensorRT module holds as JSON: ``python dump_api.py MODULE FILE``. A program of its own.

For each class its public names, with the parameters of every overload of a function; for each enumeration the
numbers of its members. ``tensorrt.plugin`` too, where there is one, and what came of our ahead-of-time plugin
there.
"""

import importlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def main(name: str, path: str) -> None:
    module = importlib.import_module(name)
    found = {"version": module.__version__, **describe(module), "plugin": None, "driven": None}
    if name == "tensorrt_bindings":
        # As the package "tensorrt" has it, which is these bindings under their other name.
        sys.modules["tensorrt"] = module
        from tests.tensorrt_api.drive_plugin import register_and_drive

        found["driven"] = register_and_drive(module)
        found["plugin"] = describe(importlib.import_module("tensorrt.plugin"))
    # The bindings print, so it is not for standard output.
    Path(path).write_text(json.dumps(found))


def describe(module: ModuleType) -> dict[str, Any]:
    public = {name: getattr(module, name) for name in dir(module) if name == "__version__" or name[0] != "_"}
    kinds = {name: value for name, value in public.items() if isinstance(value, type)}
    enums = {name: kind for name, kind in kinds.items() if hasattr(kind, "__members__")}
    return {
        "names": sorted(public),
        "enums": {
            name: {member: int(value) for member, value in kind.__members__.items()}
            for name, kind in enums.items()
        },
        "classes": {
            name: {each: parameters(getattr(kind, each)) for each in dir(kind) if each[0] != "_"}
            for name, kind in kinds.items()
            if name not in enums
        },
    }


def parameters(member: Any) -> list[list[str]] | None:
    """Parameters of every overload, as pybind11 documents them; ``name=`` is one with a default."""
    if not callable(member) or isinstance(member, type):
        return None
    name = getattr(member, "__name__", "")
    signatures = re.findall(rf"^(?:\d+\. )?{name}\((self: .*)\) -> ", member.__doc__ or "", re.MULTILINE)
    return [[_parameter(each) for each in re.split(r", (?=\w+: )", text)[1:]] for text in signatures]


def _parameter(text: str) -> str:
    return text.partition(":")[0] + ("=" if " = " in text else "")


if __name__ == "__main__":
    main(*sys.argv[1:])
