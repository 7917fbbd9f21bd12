"""Kernel timings, serialised as JSON."""

import json
from types import SimpleNamespace
from typing import Any

from tests.tensorrt_model.strict import Strict


class ITimingCache(Strict):
    """Of another version it is empty, with a warning, as TensorRT may well have it."""

    def __init__(self, state: SimpleNamespace, serialized: bytes) -> None:
        self._state = state
        self._gpu: str | None = None
        self._entries: dict[str, float] = {}
        if not serialized:
            return
        try:
            content = json.loads(serialized)
        except ValueError:
            self._tell("the timing cache is damaged")
            return
        if content["version"] != state.trt.__version__:
            self._tell(f"the timing cache is of {content['version']}, an empty one is used", "WARNING")
            return
        self._gpu, self._entries = content["gpu"], content["entries"]

    def combine(self, input_cache: Any, ignore_mismatch: bool) -> bool:
        self._entries = input_cache._entries | self._entries
        return True

    def serialize(self) -> memoryview:
        content = {"version": self._state.trt.__version__, "gpu": self._state.gpu, "entries": self._entries}
        return memoryview(json.dumps(content, sort_keys=True).encode())
