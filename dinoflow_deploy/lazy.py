"""Packages whose names load when they are first used (PEP 562)."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, module_of: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of such a package.

    Args:
        package: Its name. Its ``__all__`` is what ``dir()`` shows.
        module_of: The module that defines each name, without ``dinoflow_deploy.``.
    """

    def get(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"dinoflow_deploy.{module_of[name]}"), name)

    def public() -> list[str]:
        return sorted(sys.modules[package].__all__)

    return get, public
