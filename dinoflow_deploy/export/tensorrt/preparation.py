"""Everything that can be refused before a plan is built."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.plugin.plugin_choice import PluginChoice, choose_plugin
from dinoflow_deploy.export.target import OnnxFacts
from dinoflow_deploy.export.tensorrt.key import plan_key
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.export.tensorrt.settings import start_builder
from dinoflow_deploy.export.tensorrt.timing_cache import check_timing_cache, use_timing_cache
from dinoflow_deploy.export.tensorrt.toolchain import Toolchain, find_toolchain
from dinoflow_deploy.system.optional import require
from dinoflow_deploy.tensorrt.log import log_of

_INLINE: Final = "the ONNX file has the correlation in standard operators (--plain), which no plugin replaces"

_AMPERE_PLUS: Final = ("8.0", "9.0", "10.0", "12.0")
"""Compute capabilities that each generation of such GPUs begins with."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """A build that can start.

    Attributes:
        options: What was asked for.
        toolchain: TensorRT and GPU.
        inputs: Shapes of the plan.
        plugin: What will compute the local correlation.
    """

    options: PlanOptions
    toolchain: Toolchain
    inputs: InputRange
    plugin: PluginChoice

    def key(self, onnx_sha256: str) -> str:
        """The plan's key, for an ONNX file of that SHA-256."""
        return plan_key(onnx_sha256, self.toolchain, self.options, self.inputs, self.plugin)

    @property
    def not_run_reason(self) -> str | None:
        """Why the plan will not be run and compared; ``None`` where it will."""
        return self.toolchain.not_run_reason if self.options.verify else "--no-verify"


def prepare(options: PlanOptions, onnx: OnnxFacts) -> Preparation:
    """Refuse what can be refused: settings first, then packages and the machine, then what takes seconds.

    Args:
        options: What is asked for.
        onnx: The file that the plan will be built from.

    Raises:
        InputError: The shapes are not among those of the file, or settings do not go together.
        MissingPackageError: TensorRT, or what verification needs, is not installed.
        DeviceError: It needs a GPU and there is none.
        EngineError: TensorRT does not load.
        ExportError: It is too old, or the plugin that was asked for cannot be had.
    """
    inputs = options.shapes.within(onnx.inputs)
    if onnx.inline and options.plugin not in ("auto", "none"):
        raise InputError(f"the plugin '{options.plugin}' cannot be had: {_INLINE}; use --plugin none")
    if options.timing_cache is not None:
        check_timing_cache(options.timing_cache)
    toolchain = find_toolchain(options)
    if options.verify and toolchain.not_run_reason is None:
        _require_for_running(onnx)
    if options.timing_cache is not None:
        _try_timing_cache(options.timing_cache, toolchain)
    # Last, since it may compile the plugin.
    return Preparation(options, toolchain, inputs, _plugin(options, toolchain, inputs, onnx.inline))


def _plugin(options: PlanOptions, toolchain: Toolchain, inputs: InputRange, inline: bool) -> PluginChoice:
    if inline and options.plugin == "auto":
        return PluginChoice(name="none", reason=_INLINE, library=None, digest="")
    others = _AMPERE_PLUS if options.hardware_compatibility == "ampere-plus" else ()
    capabilities = (*toolchain.compute_capabilities, *others)
    return choose_plugin(options.plugin, toolchain.module, toolchain.flavour, inputs, capabilities)


def _require_for_running(onnx: OnnxFacts) -> None:
    purpose = "verifying a plan (--no-verify leaves it out)"
    require("cuda.bindings.runtime", purpose)
    if onnx.is_reference:
        require("onnxruntime", purpose)
    if onnx.is_reference and onnx.precision == "bf16":
        # ONNX Runtime's CPU has no bfloat16: the file is rewritten to emulate it.
        require("onnx", purpose)


def _try_timing_cache(path: Path, toolchain: Toolchain) -> None:
    log = log_of(toolchain.module)
    # The configuration lives no longer than its builder.
    _builder, config = start_builder(toolchain, log)
    use_timing_cache(path, config, toolchain, log)
