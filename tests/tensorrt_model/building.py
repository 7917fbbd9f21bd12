"""Plans of any ONNX file, built by the model's builder without the package."""

from dataclasses import replace
from functools import cache
from typing import Any

from tests.tensorrt_model.flavours import TENSORRT_11, Modelled
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT
from tests.tensorrt_model.plan import Plan

Profile = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Least, optimal and greatest ``[batch, height, width]`` of pictures of three channels."""


def build_bytes(
    onnx: bytes,
    *profiles: Profile,
    modelled: Modelled = TENSORRT_11,
    capability: tuple[int, int] = (9, 0),
    **changes: Any,
) -> bytes:
    """A plan.

    Args:
        onnx: The file.
        profiles: Of every input; none for a file of fixed shapes.
        modelled: What builds it.
        capability: Of the GPU that it is built on.
        changes: Fields of the ``Plan`` that are to be others.
    """
    plan = _built(onnx, profiles, modelled, capability)
    return replace(Plan.from_bytes(plan), **changes).to_bytes()


@cache
def _built(
    onnx: bytes, profiles: tuple[Profile, ...], modelled: Modelled, capability: tuple[int, int]
) -> bytes:
    trt: Any = TensorRT(Machine((capability,)), modelled)

    class Logger(trt.ILogger):  # type: ignore[name-defined, misc]
        def log(self, severity: Any, msg: str) -> None:
            raise AssertionError(msg)

    builder = trt.Builder(Logger())
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if modelled.flavour == "rtx":
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability["SM{}{}".format(*capability)], 0)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, Logger())
    assert parser.parse(onnx)
    for corners in profiles:
        profile = builder.create_optimization_profile()
        for index in range(network.num_inputs):
            tensor = network.get_input(index)
            # Channels are the axis of a fixed length.
            place = tuple(tensor.shape).index(3)
            shapes = [(*corner[:place], 3, *corner[place:]) for corner in corners]
            profile.set_shape(tensor.name, *shapes)
        config.add_optimization_profile(profile)
    return bytes(builder.build_serialized_network(network, config))
