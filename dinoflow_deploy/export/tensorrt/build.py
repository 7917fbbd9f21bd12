"""Build a TensorRT plan of an ONNX file."""

from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from dinoflow_deploy.errors import BuildCancelledError, ExportError
from dinoflow_deploy.export.plugin.plugin_choice import check_plugin_layer, network_flags, register_plugin
from dinoflow_deploy.export.tensorrt.interruptible import run_interruptibly
from dinoflow_deploy.export.tensorrt.monitor import PERCENT, Phases, progress_monitor
from dinoflow_deploy.export.tensorrt.network import layer_types, parse_onnx
from dinoflow_deploy.export.tensorrt.preparation import Preparation
from dinoflow_deploy.export.tensorrt.settings import add_profile, configure, start_builder
from dinoflow_deploy.export.tensorrt.timing_cache import save_timing_cache, use_timing_cache
from dinoflow_deploy.progress import Progress
from dinoflow_deploy.tensorrt.log import Log, Messages, log_of


@dataclass(frozen=True, slots=True)
class BuiltPlan:
    """A plan in memory.

    Attributes:
        content: Its bytes.
        layers: Number of layers by the type that they give, before TensorRT fuses any.
        optimization_level: That it was built with.
        warnings: What TensorRT warned of, each once.
    """

    content: Any
    layers: dict[str, int]
    optimization_level: int
    warnings: tuple[str, ...]


def build_plan(onnx_path: Path, prepared: Preparation, progress: Progress, cancel: Event) -> BuiltPlan:
    """Build a plan of an ONNX file.

    Args:
        onnx_path: The file.
        prepared: What to build.
        progress: Told of how far it is, in percent.
        cancel: Ends the build soon after it is set.

    Raises:
        ExportError: TensorRT cannot build it.
        BuildCancelledError: ``cancel`` was set.
    """
    log = log_of(prepared.toolchain.module)
    progress.start(f"building with {prepared.toolchain.flavour.title}", PERCENT, "%")
    phases = Phases(progress, cancel)
    with log.listen() as messages:
        built = run_interruptibly(lambda: _serialized(onnx_path, prepared, phases, log, messages), cancel)
    if cancel.is_set():
        raise BuildCancelledError("the build was cancelled")
    phases.complete()
    progress.finish()
    return built


def _serialized(
    onnx_path: Path, prepared: Preparation, phases: Phases, log: Log, messages: Messages
) -> BuiltPlan:
    trt, plugin, options = prepared.toolchain.module, prepared.plugin, prepared.options
    builder, config = start_builder(prepared.toolchain, log)
    configure(config, options, prepared.toolchain)
    if options.timing_cache is not None:
        use_timing_cache(options.timing_cache, config, prepared.toolchain, log)
    register_plugin(plugin, trt, builder, config, messages)
    # The parser owns what the network refers to: it stays until the plan is there.
    network, _parser = parse_onnx(onnx_path, builder, trt, log, network_flags(plugin, trt))
    check_plugin_layer(network, plugin)
    add_profile(builder, network, config, prepared.inputs)
    config.progress_monitor = progress_monitor(trt, phases)
    plan = builder.build_serialized_network(network, config)
    if plan is None and not phases.is_cancelled:
        scratch = f" (--workspace {options.workspace_gib:g})" if options.workspace_gib is not None else ""
        raise ExportError(f"{prepared.toolchain.title} cannot build the plan{scratch}: {messages.why()}")
    warnings = list(messages.warnings)
    if options.timing_cache is not None and plan is not None:
        kept = save_timing_cache(options.timing_cache, config, prepared.toolchain, log)
        warnings += [kept] if kept else []
    return BuiltPlan(plan, layer_types(network), int(config.builder_optimization_level), tuple(warnings))
