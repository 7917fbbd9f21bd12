"""From our settings to TensorRT's builder configuration."""

from typing import Any

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.bundles.model_input import IMAGES, model_input_of
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.tensorrt.network import is_dynamic
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.export.tensorrt.toolchain import Toolchain, hardware_compatibility
from dinoflow_deploy.tensorrt.log import Log

_GIB = 1 << 30


def start_builder(toolchain: Toolchain, log: Log) -> tuple[Any, Any]:
    """TensorRT's builder and an empty configuration for it.

    Raises:
        ExportError: TensorRT does not start here.
    """
    with log.listen() as messages:
        try:
            builder = toolchain.module.Builder(log.logger)
        except Exception as error:  # a binding's own complaint that it was given nothing
            raise ExportError(f"{toolchain.title} does not start: {messages.why()} ({error})") from error
    return builder, builder.create_builder_config()


def configure(config: Any, options: PlanOptions, toolchain: Toolchain) -> None:
    """Set everything but shapes, plugin and timing cache. Precision is not a setting: it is in the graph.

    Raises:
        ExportError: TensorRT refuses a compute capability.
    """
    trt = toolchain.module
    # fp32 is to mean fp32: TF32, which is on by default, rounds factors to 10 bits.
    config.clear_flag(trt.BuilderFlag.TF32)
    # So that whoever inspects the plan sees the type of every layer.
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if options.optimization_level is not None:
        config.builder_optimization_level = options.optimization_level
    if options.workspace_gib is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, int(options.workspace_gib * _GIB))
    if options.hardware_compatibility != "none":
        config.hardware_compatibility_level = hardware_compatibility(trt, options)
    if hasattr(config, "num_compute_capabilities"):
        _set_compute_capabilities(config, toolchain)


def _set_compute_capabilities(config: Any, toolchain: Toolchain) -> None:
    trt = toolchain.module
    config.num_compute_capabilities = len(toolchain.compute_capabilities)
    for index, capability in enumerate(toolchain.compute_capabilities):
        value = getattr(trt.ComputeCapability, f"SM{capability.replace('.', '')}")
        if not config.set_compute_capability(value, index):
            raise ExportError(f"{toolchain.title} refuses to build for the compute capability {capability}")


def add_profile(builder: Any, network: Any, config: Any, inputs: InputRange) -> None:
    """Tell TensorRT the shapes to build for, where the network leaves them open.

    Raises:
        ExportError: TensorRT refuses them.
    """
    if not is_dynamic(network):
        return
    profile = builder.create_optimization_profile()
    names = [network.get_input(index).name for index in range(network.num_inputs)]
    taken = model_input_of(names) or IMAGES
    corners = [
        taken.shape(*(getattr(axis, bound) for axis in (inputs.batch, inputs.height, inputs.width)))
        for bound in ("min", "opt", "max")
    ]
    for name in names:
        profile.set_shape(name, *corners)
    if config.add_optimization_profile(profile) < 0:
        raise ExportError(f"TensorRT refuses the shapes {inputs} for this network")
