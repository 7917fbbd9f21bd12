"""What a TensorRT's Python module holds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Api:
    """What ``dump_api.py`` has written about a module.

    Attributes:
        version: Of TensorRT.
        names: Of the module.
        enums: Numbers of the members of each enumeration.
        classes: Members of each class; of functions, the parameters of every overload.
        plugin_names: All names in ``tensorrt.plugin`` and its classes; empty where there is none.
        driven: What ``drive_plugin.py`` gives; ``None`` where there is no ``tensorrt.plugin``.
    """

    version: str
    names: frozenset[str]
    enums: dict[str, dict[str, int]]
    classes: dict[str, dict[str, list[list[str]] | None]]
    plugin_names: frozenset[str]
    driven: dict[str, Any] | None

    @classmethod
    def read(cls, path: Path) -> Self:
        content = json.loads(path.read_text())
        plugin = content["plugin"]
        return cls(
            content["version"],
            frozenset(content["names"]),
            content["enums"],
            content["classes"],
            frozenset(_all_names(plugin)) if plugin else frozenset(),
            content["driven"],
        )

    @property
    def all_names(self) -> frozenset[str]:
        """Every name of the module, of a class, an enumeration or the plugin module."""
        found = {"classes": self.classes, "enums": self.enums, "names": self.names}
        return frozenset(_all_names(found)) | self.plugin_names

    def problem(self, path: str) -> str | None:
        """Why ``"DataType.FLOAT"`` or ``"Builder.create_network"`` is not there; ``None`` if it is."""
        first, _, member = path.partition(".")
        if first == "__name__":
            return None
        if first not in self.names:
            return f"TensorRT {self.version} has no {first}"
        known = self.classes.get(first) or self.enums.get(first) or {}
        if member and member not in {*known, "__init__", "__members__", "__name__"}:
            return f"{first} of TensorRT {self.version} has no {member}"
        return None


def _all_names(content: dict[str, Any]) -> set[str]:
    inner = [*content["classes"].values(), *content["enums"].values()]
    return {*content["names"], *(name for members in inner for name in members)}
