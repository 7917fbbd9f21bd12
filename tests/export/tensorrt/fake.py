"""A small stand-in for TensorRT 10.16 and 11.4, which need a GPU to start.

It is strict where it counts: nothing can be called, read or set that the real Python module of that version
does not have (``api.json`` lists the names), numbers of enums are the version's own, and a network that is
not strongly typed is refused. What it builds is a text that says what it was told.
"""

import json
from enum import IntEnum
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

API = json.loads((Path(__file__).parent / "api.json").read_text())
FULL_VERSIONS = {"10.16": "10.16.1.11", "11.4": "11.4.0.106"}


class Strict:
    """Has only what the real class of the same name has."""

    def __init__(self, trt: "FakeTensorRT") -> None:
        object.__setattr__(self, "_trt", trt)
        object.__setattr__(self, "_set", {})
        names = {name for name in dir(type(self)) if not name.startswith("_")}
        assert names <= self._names, f"the fake's {type(self).__name__} has {names - self._names}"

    @property
    def _names(self) -> set[str]:
        return set(self._trt._api[type(self).__name__])

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._names:
            raise AttributeError(f"TensorRT {self._trt.__version__}: {type(self).__name__} has no '{name}'")
        self._set[name] = value

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._set:
            return self._set[name]
        raise AttributeError(f"TensorRT {self._trt.__version__}: {type(self).__name__} has no '{name}' here")


class IBuilderConfig(Strict):
    def __init__(self, trt: "FakeTensorRT") -> None:
        super().__init__(trt)
        self.__dict__.update(_flags={"TF32"}, _pools={}, _profiles=[], _cache=None)
        self.builder_optimization_level = 3

    def clear_flag(self, flag: Any) -> None:
        assert isinstance(flag, self._trt.BuilderFlag)
        self._flags.discard(flag.name)

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        assert isinstance(pool, self._trt.MemoryPoolType)
        assert type(size) is int
        self._pools[pool.name] = size

    def add_optimization_profile(self, profile: Any) -> int:
        assert isinstance(profile, IOptimizationProfile)
        self._profiles.append(profile._shapes)
        return len(self._profiles) - 1

    def create_timing_cache(self, serialized: bytes) -> Any:
        return ITimingCache(self._trt, serialized)

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        assert isinstance(cache, ITimingCache)
        taken: bool = ignore_mismatch or cache._gpu in (None, self._trt.gpu)
        self.__dict__["_cache"] = cache if taken else None
        return taken

    def get_timing_cache(self) -> Any:
        return self._cache


class ITimingCache(Strict):
    """Serialised as JSON; of another version it is empty, with a warning, as TensorRT may well have it."""

    def __init__(self, trt: "FakeTensorRT", serialized: bytes) -> None:
        super().__init__(trt)
        self.__dict__.update(_gpu=None, _entries={})
        if not serialized:
            return
        try:
            content = json.loads(serialized)
        except ValueError:
            trt.say("ERROR", "the timing cache is damaged")
            return
        if content["version"] != trt.__version__:
            trt.say("WARNING", f"the timing cache is of {content['version']}, an empty one is used")
            return
        self.__dict__.update(_gpu=content["gpu"], _entries=content["entries"])

    def combine(self, other: Any, ignore_mismatch: bool) -> bool:
        self.__dict__["_entries"] = other._entries | self._entries
        return True

    def serialize(self) -> Any:
        content = {"version": self._trt.__version__, "gpu": self._trt.gpu, "entries": self._entries}
        return memoryview(json.dumps(content, sort_keys=True).encode())


class IOptimizationProfile(Strict):
    def __init__(self, trt: "FakeTensorRT") -> None:
        super().__init__(trt)
        self.__dict__["_shapes"] = {}

    def set_shape(self, name: str, *corners: Any) -> None:
        smallest, best, largest = corners
        self._shapes[name] = [list(smallest), list(best), list(largest)]


class ITensor(Strict):
    pass


class ILayer(Strict):
    def get_output(self, index: int) -> Any:
        tensor = ITensor(self._trt)
        tensor.dtype = DataType.HALF
        return tensor


class INetworkDefinition(Strict):
    def get_input(self, index: int) -> Any:
        tensor = ITensor(self._trt)
        tensor.name, tensor.shape = f"image{index + 1}", (-1, 3, -1, -1)
        return tensor

    def get_layer(self, index: int) -> Any:
        layer = ILayer(self._trt)
        layer.num_outputs, layer.type = 1, SimpleNamespace(name="CONVOLUTION")
        return layer


class DataType(IntEnum):
    FLOAT = 0
    HALF = 1


class OnnxParser(Strict):
    def __init__(self, trt: "FakeTensorRT", network: Any) -> None:
        super().__init__(trt)
        self.__dict__["_network"] = network

    def parse_from_file(self, model: str) -> bool:
        assert Path(model).stat().st_size > 0
        self._network.num_inputs, self._network.num_layers = 2, 7
        return True


class Builder(Strict):
    def create_builder_config(self) -> Any:
        return IBuilderConfig(self._trt)

    def create_network(self, flags: int) -> Any:
        assert flags == 1 << self._trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return INetworkDefinition(self._trt)

    def create_optimization_profile(self) -> Any:
        return IOptimizationProfile(self._trt)

    def build_serialized_network(self, network: Any, config: Any) -> Any:
        if not self._build(config.progress_monitor):
            self._trt.say("ERROR", "BuildCanceled")
            return None
        if config._cache is not None:
            config._cache._entries[self._trt.kernel] = 0.25
        told = {name: getattr(value, "name", value) for name, value in config._set.items()}
        del told["progress_monitor"]
        told |= {"flags": sorted(config._flags), "pools": config._pools, "profiles": config._profiles}
        return memoryview(json.dumps(told).encode())

    def _build(self, monitor: Any) -> bool:
        assert isinstance(monitor, self._trt.IProgressMonitor)
        monitor.phase_start("Building engine", None, 2)
        for step in range(2):
            monitor.phase_start("Timing", "Building engine", 4)
            goes_on = all(monitor.step_complete("Timing", inner) for inner in range(4))
            monitor.phase_finish("Timing")
            if not (goes_on and monitor.step_complete("Building engine", step)):
                return False
        monitor.phase_finish("Building engine")
        return True


class FakeTensorRT(ModuleType):
    """The module ``tensorrt`` of a version.

    Attributes:
        gpu: What timing caches are for.
        kernel: Name of the kernel whose time a build learns.
    """

    def __init__(self, version: str) -> None:
        super().__init__("tensorrt")
        self.__spec__ = ModuleSpec("tensorrt", None)
        self.__version__ = FULL_VERSIONS[version]
        self._api = API[version]
        self._loggers: list[Any] = []
        self.gpu, self.kernel = "NVIDIA GH200 480GB", "kernel-0"
        for name, members in self._api.items():
            if isinstance(members, dict):
                setattr(self, name, IntEnum(name, members))
        self.ILogger = type("ILogger", (), {name: name for name in ("ERROR", "INTERNAL_ERROR", "WARNING")})
        self.IProgressMonitor = type("IProgressMonitor", (), {})

    def Builder(self, logger: Any) -> Any:  # noqa: N802
        assert isinstance(logger, self.ILogger)
        self._loggers = [logger]
        return Builder(self)

    def OnnxParser(self, network: Any, logger: Any) -> Any:  # noqa: N802
        return OnnxParser(self, network)

    def say(self, severity: str, text: str) -> None:
        for logger in self._loggers:
            logger.log(getattr(self.ILogger, severity), text)
