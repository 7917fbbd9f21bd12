"""Build a TensorRT plan into a bundle, and prove that it computes the same flow."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from dinoflow_deploy.bundles.bundle import ONNX_NAME, Bundle, FileInfo, Manifest, PlanInfo
from dinoflow_deploy.engines.base import FlowEngine
from dinoflow_deploy.errors import BuildCancelledError, ExportError
from dinoflow_deploy.export.manifests import with_plan, write_manifest
from dinoflow_deploy.export.parity import ParityRow
from dinoflow_deploy.export.plugin.correlation_choice import check_plugin_layer, network_flags, open_door
from dinoflow_deploy.export.tensorrt.interruptible import run_interruptibly
from dinoflow_deploy.export.tensorrt.monitor import PERCENT, Phases, progress_monitor
from dinoflow_deploy.export.tensorrt.network import layer_types, parse_onnx
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.export.tensorrt.preparation import Preparation, prepare
from dinoflow_deploy.export.tensorrt.report import PlanReport
from dinoflow_deploy.export.tensorrt.settings import add_profile, configure, start_builder
from dinoflow_deploy.export.tensorrt.timing_cache import save_timing_cache, use_timing_cache
from dinoflow_deploy.export.tensorrt.verification import compare
from dinoflow_deploy.progress import NoProgress, Progress
from dinoflow_deploy.tensorrt.log import Log, Messages, log_of

Reference = Callable[[], AbstractContextManager[FlowEngine]]
"""Gives the engine that a plan is compared with."""


def build_plan(
    bundle_folder: Path,
    options: PlanOptions,
    progress: Progress | None = None,
    *,
    prepared: Preparation | None = None,
    reference: Reference | None = None,
    cancel: Event | None = None,
) -> PlanReport:
    """Build a plan of a bundle's ONNX file into the bundle and enter it in the manifest.

    The folder is changed as it lies: whoever calls this gives a folder that nobody else sees yet, such as
    ``bundle_folder``'s, and drops it when this raises.

    Args:
        bundle_folder: The bundle.
        options: What to build.
        progress: Told of each stage.
        prepared: What ``prepare`` gave, where it was called before.
        reference: What the plan is compared with; by default ONNX Runtime on the bundle's own ONNX file.
        cancel: Ends the build soon after it is set.

    Raises:
        ExportError: TensorRT cannot build it, or the plan's flow is not the reference's.
        BuildCancelledError: ``cancel`` was set.
        InputError, DeviceError, MissingPackageError: As ``prepare`` raises them.
    """
    manifest = Bundle.open(bundle_folder).manifest
    progress, cancel = progress or NoProgress(), cancel or Event()
    if prepared is None:
        compared = manifest.precision if reference is None else None
        inline = manifest.operator.inline
        prepared = prepare(options, manifest.inputs, inline=inline, precision=compared)
    progress.note(f"building a plan with {prepared.target.title}: {prepared.inputs}")
    began = time.monotonic()
    built = _build(bundle_folder / ONNX_NAME, prepared, progress, cancel)
    seconds = time.monotonic() - began
    manifest, plan = _entered(manifest, built, bundle_folder, prepared)
    rows: list[ParityRow] = []
    if prepared.not_run_reason is None:
        plan, rows = compare(bundle_folder, manifest, plan, reference, progress)
        manifest = with_plan(manifest, plan, manifest.files[plan.file])
        write_manifest(manifest, bundle_folder)
    return PlanReport(
        plan=plan,
        door=prepared.door,
        bytes=manifest.files[plan.file].bytes,
        seconds=seconds,
        layers=built.layers,
        warnings=built.warnings,
        parity=tuple(rows),
        not_run=prepared.not_run_reason,
    )


@dataclass(frozen=True, slots=True)
class _Built:
    plan: Any
    layers: dict[str, int]
    optimization_level: int
    warnings: tuple[str, ...]


def _build(onnx_path: Path, prepared: Preparation, progress: Progress, cancel: Event) -> _Built:
    log = log_of(prepared.target.module)
    progress.start(f"building with {prepared.target.flavour.title}", PERCENT, "%")
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
) -> _Built:
    trt, door, options = prepared.target.module, prepared.door, prepared.options
    builder, config = start_builder(prepared.target, log)
    configure(config, options, prepared.target)
    if options.timing_cache is not None:
        use_timing_cache(options.timing_cache, config, prepared.target, log)
    open_door(door, trt, builder, config, messages)
    # The parser owns what the network refers to: it stays until the plan is there.
    network, _parser = parse_onnx(onnx_path, builder, trt, log, network_flags(door, trt))
    check_plugin_layer(network, door)
    add_profile(builder, network, config, prepared.inputs)
    config.progress_monitor = progress_monitor(trt, phases)
    plan = builder.build_serialized_network(network, config)
    if plan is None and not phases.is_cancelled:
        scratch = f" (--workspace {options.workspace_gib:g})" if options.workspace_gib is not None else ""
        raise ExportError(f"{prepared.target.title} cannot build the plan{scratch}: {messages.why()}")
    warnings = list(messages.warnings)
    if options.timing_cache is not None and plan is not None:
        kept = save_timing_cache(options.timing_cache, config, prepared.target, log)
        warnings += [kept] if kept else []
    return _Built(plan, layer_types(network), int(config.builder_optimization_level), tuple(warnings))


def _entered(
    manifest: Manifest, built: _Built, folder: Path, prepared: Preparation
) -> tuple[Manifest, PlanInfo]:
    """Write the plan and the manifest that lists it."""
    target, options = prepared.target, prepared.options
    path = folder / target.flavour.plan_name
    with path.open("wb") as file:
        file.write(built.plan)
    plan = PlanInfo(
        file=path.name,
        flavour=target.flavour.name,
        version=target.version,
        compute_capabilities=target.compute_capabilities,
        gpu=target.gpu.name if target.gpu else None,
        driver=target.gpu.driver if target.gpu else None,
        inputs=prepared.inputs,
        plugin=prepared.door.name,
        hardware_compatibility=options.hardware_compatibility,
        optimization_level=built.optimization_level,
        key=prepared.key(manifest.files[ONNX_NAME].sha256),
        parity=None,
    )
    manifest = with_plan(manifest, plan, FileInfo.of(path))
    write_manifest(manifest, folder)
    return manifest, plan
