"""A builder's configuration, and profiles."""

import weakref
from types import SimpleNamespace
from typing import Any

from tests.tensorrt_model.plan import Corners
from tests.tensorrt_model.strict import Strict
from tests.tensorrt_model.timing_cache import ITimingCache


class IOptimizationProfile(Strict):
    def __init__(self) -> None:
        self._shapes: dict[str, Corners] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:  # noqa: A002 - TensorRT's names
        self._shapes[input] = [list(min), list(opt), list(max)]


class IBuilderConfig(Strict):
    """Lives no longer than its builder."""

    builder_optimization_level = 3
    hardware_compatibility_level: Any = None
    plugins_to_serialize: list[str] = []  # noqa: RUF012 - replaced, never changed
    profiling_verbosity: Any = None
    progress_monitor: Any = None

    def __init__(self, state: SimpleNamespace, builder: Any) -> None:
        self._state, self._builder = state, weakref.ref(builder)
        self._flags, self._pools = {"TF32"}, {}
        self._profiles: list[dict[str, Corners]] = []
        self._cache: ITimingCache | None = None
        self.hardware_compatibility_level = state.trt.HardwareCompatibilityLevel.NONE
        self.profiling_verbosity = state.trt.ProfilingVerbosity.LAYER_NAMES_ONLY

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            self._check_alive()
        if name == "progress_monitor":
            assert value._made, "IProgressMonitor.__init__ was not called"
        super().__setattr__(name, value)

    def clear_flag(self, flag: Any) -> None:
        self._check_alive()
        assert isinstance(flag, self._state.trt.BuilderFlag)
        self._flags.discard(flag.name)

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        self._check_alive()
        assert isinstance(pool, self._state.trt.MemoryPoolType)
        assert type(pool_size) is int
        self._pools[pool.name] = pool_size

    def add_optimization_profile(self, profile: Any) -> int:
        self._check_alive()
        assert isinstance(profile, IOptimizationProfile)
        for corners in profile._shapes.values():
            if any(not low <= best <= high for low, best, high in zip(*corners, strict=True)):
                self._tell(f"a profile's shapes are not in order: {corners}")
                return -1
        self._profiles.append(profile._shapes)
        return len(self._profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        self._check_alive()
        return ITimingCache(self._state, serialized_timing_cache)

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        self._check_alive()
        assert isinstance(cache, ITimingCache)
        taken: bool = ignore_mismatch or cache._gpu in (None, self._state.gpu)
        self._cache = cache if taken else None
        return taken

    def get_timing_cache(self) -> ITimingCache | None:
        self._check_alive()
        return self._cache

    def _check_alive(self) -> None:
        assert self._builder() is not None, "the builder of this configuration is gone"

    def _capabilities(self) -> tuple[str, ...]:
        """The plan's, which runs on the building GPU."""
        return (self._state.capability,)

    def _told(self) -> dict[str, Any]:
        return {
            "builder_optimization_level": self.builder_optimization_level,
            "profiling_verbosity": self.profiling_verbosity.name,
            "hardware_compatibility_level": self.hardware_compatibility_level.name,
            "flags": sorted(self._flags),
            "pools": self._pools,
        }


class RtxBuilderConfig(IBuilderConfig):
    """TensorRT-RTX's, which builds for GPUs that need not be there."""

    num_compute_capabilities = 0

    def __init__(self, state: SimpleNamespace, builder: Any) -> None:
        super().__init__(state, builder)
        self._wanted: dict[int, str] = {}

    def set_compute_capability(self, compute_capability: Any, index: int) -> bool:
        self._check_alive()
        assert isinstance(compute_capability, self._state.trt.ComputeCapability)
        if not 0 <= index < self.num_compute_capabilities:
            return self._refuse(f"there is no compute capability {index}")
        number = int(compute_capability)
        self._wanted[index] = f"{number // 10}.{number % 10}"
        return True

    def _capabilities(self) -> tuple[str, ...]:
        assert len(self._wanted) == self.num_compute_capabilities > 0
        return tuple(self._wanted.values())
