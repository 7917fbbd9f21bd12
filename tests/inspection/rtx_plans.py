"""Plans built on the CPU by TensorRT-RTX."""

from typing import Any


def small_plan(trt: Any, capabilities: tuple[str, ...], libraries: tuple[str, ...] = ()) -> bytes:
    """A plan of y = exp(x) for these compute capabilities, named as ``("SM89",)``, holding the libraries."""
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    value = network.add_input("x", trt.float32, (1, 3, 8, 8))
    network.mark_output(network.add_unary(value, trt.UnaryOperation.EXP).get_output(0))
    config = builder.create_builder_config()
    config.num_compute_capabilities = len(capabilities)
    for index, name in enumerate(capabilities):
        config.set_compute_capability(getattr(trt.ComputeCapability, name), index)
    if libraries:
        config.plugins_to_serialize = list(libraries)
    plan = builder.build_serialized_network(network, config)
    assert plan is not None
    return bytes(plan)
