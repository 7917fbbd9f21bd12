"""What the process that has Triton's interpreter does: it launches kernels, and watches what they touch."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from torch import Tensor


def launch(kernel: str, arguments: Sequence[Any]) -> Tensor:
    """Call the launcher of a module of ``export.kernels`` on tensors of the CPU or of CUDA."""
    result: Tensor = import_module(f"dinoflow_deploy.export.kernels.{kernel}").launch(*arguments)
    return result


def launch_watched(kernel: str, arguments: Sequence[Any]) -> Tensor:
    """The same in the interpreter.

    Raises:
        AssertionError: The kernel reads outside the tensors that it was given, or writes other than once to
            each element of the last one.
    """
    from triton.runtime import interpreter

    module = import_module(f"dinoflow_deploy.export.kernels.{kernel}")
    function = getattr(module, f"{kernel}_kernel")
    watch = _Watch(interpreter.interpreter_builder)
    function.pre_run_hooks.append(watch.begin)
    try:
        result = launch(kernel, arguments)
    finally:
        watch.end()
        function.pre_run_hooks.remove(watch.begin)
    assert (watch.writes == 1).all(), f"written {watch.writes.min()} to {watch.writes.max()} times"
    return result


class _Watch:
    """Stands between the interpreter and memory."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder
        self._load, self._store = builder.create_masked_load, builder.create_masked_store

    def begin(self, *arguments: Any, **_: Any) -> None:
        tensors = [each for each in arguments if isinstance(each, Tensor)]
        self._spans = [(each.data_ptr(), each.data_ptr() + each.nbytes) for each in tensors]
        self._result = tensors[-1]
        self.writes = np.zeros(self._result.numel(), int)
        self._builder.create_masked_load = self._read
        self._builder.create_masked_store = self._write

    def end(self) -> None:
        # Not there where the launch failed before the kernel began.
        for name in ("create_masked_load", "create_masked_store"):
            vars(self._builder).pop(name, None)

    def _read(self, pointers: Any, mask: Any, *rest: Any) -> Any:
        read = pointers.data[mask.data].astype(np.int64)
        known = [(first <= read) & (read < end) for first, end in self._spans]
        assert np.any(known, axis=0).all(), "read outside the tensors"
        return self._load(pointers, mask, *rest)

    def _write(self, pointers: Any, value: Any, mask: Any, *rest: Any) -> Any:
        first, end = self._spans[-1]
        written = pointers.data[mask.data].astype(np.int64)
        assert ((first <= written) & (written < end)).all(), "written outside the result"
        np.add.at(self.writes, (written - first) // self._result.element_size(), 1)
        return self._store(pointers, value, mask, *rest)
