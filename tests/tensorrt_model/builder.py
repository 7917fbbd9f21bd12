"""TensorRT's builder: from a network to a plan."""

from math import prod
from types import SimpleNamespace
from typing import Any

from tests.tensorrt_model.config import IBuilderConfig, IOptimizationProfile, RtxBuilderConfig
from tests.tensorrt_model.network import INetworkDefinition, ITensor
from tests.tensorrt_model.onnx_nodes import SPOKEN
from tests.tensorrt_model.plan import Corners, Plan
from tests.tensorrt_model.plugin import IPluginRegistry
from tests.tensorrt_model.strict import Strict, use_logger

_STEPS = (2, 4)


class Builder(Strict):
    def __init__(self, state: SimpleNamespace, logger: Any) -> None:
        use_logger(state, logger)
        self._state = state

    def create_builder_config(self) -> IBuilderConfig:
        kind = RtxBuilderConfig if self._state.flavour == "rtx" else IBuilderConfig
        return kind(self._state, self)

    def create_network(self, flags: int) -> INetworkDefinition:
        known = self._state.trt.NetworkDefinitionCreationFlag
        given = [each.name for each in known if flags >> int(each) & 1]
        assert flags == sum(1 << int(known[name]) for name in given)
        assert "STRONGLY_TYPED" in given, "types would be TensorRT's choice"
        return INetworkDefinition(self._state, given)

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def get_plugin_registry(self) -> IPluginRegistry:
        return IPluginRegistry(self._state)

    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> memoryview | None:
        config._check_alive()
        assert network._parser() is not None, "the parser, which owns the weights, is gone"
        if "build_serialized_network" in self._state.fail:
            return self._tell(self._state.fail["build_serialized_network"])
        profiles = self._profiles(network, config)
        if profiles is None or not self._goes_on(config.progress_monitor):
            return None
        if config._cache is not None:
            config._cache._entries[self._state.kernel] = 0.25
        return memoryview(self._plan(network, config, profiles).to_bytes())

    def _profiles(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> list[dict[str, Corners]] | None:
        if not any(length < 0 for each in network._inputs for length in each.shape):
            return [{each.name: [list(each.shape)] * 3 for each in network._inputs}]
        if not config._profiles:
            return self._tell(
                "Network has dynamic or shape inputs, but no optimization profile has been defined."
            )
        for profile in config._profiles:
            for tensor in network._inputs:
                if tensor.name not in profile or not _fits(profile[tensor.name], tensor):
                    return self._tell(f"the profile does not fit {tensor.name} of shape {tensor.shape}")
        return config._profiles

    def _goes_on(self, monitor: Any) -> bool:
        """Two phases, one in the other, and whether the monitor lets them end."""
        if monitor is None:
            return True
        outer, inner = _STEPS
        monitor.phase_start("Building engine", None, outer)
        for step in range(outer):
            monitor.phase_start("Timing", "Building engine", inner)
            goes_on = all(monitor.step_complete("Timing", each) for each in range(inner))
            monitor.phase_finish("Timing")
            if not (goes_on and monitor.step_complete("Building engine", step)):
                return self._refuse("BuildCanceled")
        monitor.phase_finish("Building engine")
        return True

    def _plan(
        self, network: INetworkDefinition, config: IBuilderConfig, profiles: list[dict[str, Corners]]
    ) -> Plan:
        tensors = {each.name: ("INPUT", each.dtype.name, each.shape) for each in network._inputs}
        tensors |= {each.name: ("OUTPUT", each.dtype.name, each.shape) for each in network._outputs}
        return Plan(
            flavour=self._state.flavour,
            version=self._state.trt.__version__,
            capabilities=config._capabilities(),
            settings=config._told() | {"network": network._flags},
            tensors=tensors,
            axes=network._axes,
            profiles=tuple(profiles),
            layers=tuple(_layers(network, config.profiling_verbosity.name)),
            plugin=network._plugin,
            libraries=tuple(config.plugins_to_serialize),
            kernel=network._kernel,
            name=network.name,
            memory=tuple(sum(4 * prod(corners[2]) for corners in each.values()) for each in profiles),
            weights=network._weights,
            streams=0,
            onnx=network._onnx,
        )


def _fits(corners: Corners, tensor: ITensor) -> bool:
    return all(
        len(corner) == len(tensor.shape)
        and all(fixed in (-1, length) for fixed, length in zip(tensor.shape, corner, strict=True))
        for corner in corners
    )


def _layers(network: INetworkDefinition, verbosity: str) -> list[Any]:
    if verbosity == "NONE":
        return []
    if verbosity == "LAYER_NAMES_ONLY":
        return [layer.name for layer in network._layers]
    return [
        {
            "Name": layer.name,
            "LayerType": layer.type.name,
            "Outputs": [
                {"Name": each.name, "Format/Datatype": SPOKEN[each.dtype.name]} for each in layer._outputs
            ],
        }
        for layer in network._layers
    ]
