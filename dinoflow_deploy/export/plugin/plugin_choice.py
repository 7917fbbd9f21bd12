"""How TensorRT comes by the local correlation: C++ plugin, ahead-of-time plugin, or the operator's body."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.errors import ExportError, InputError
from dinoflow_deploy.export.plugin.aot import aot_network_flag, register_aot_plugin, why_never_aot
from dinoflow_deploy.export.plugin.build import DEFAULT_ARCHITECTURES, build_library
from dinoflow_deploy.export.plugin.library import architecture_of, find_library, runs_on
from dinoflow_deploy.export.plugin.ptx import PTX_CAPABILITY, load_ptx, ptx_digest
from dinoflow_deploy.export.plugin.runtime_name import provide_runtime_name
from dinoflow_deploy.tensorrt.flavours import RTX, TENSORRT, Flavour
from dinoflow_deploy.tensorrt.log import Messages
from dinoflow_deploy.tensorrt.plan_info import PLUGINS


@dataclass(frozen=True, slots=True)
class PluginChoice:
    """One way, and why it was taken.

    Attributes:
        name: ``"cpp"``, ``"aot"`` or ``"none"``.
        reason: One line for the user.
        library: The shared library of ``"cpp"``.
        digest: SHA-256 of the library or of the PTX; empty for ``"none"``.
    """

    name: str
    reason: str
    library: Path | None = None
    digest: str = ""


def choose_plugin(
    wanted: str, trt: ModuleType, flavour: Flavour, inputs: InputRange, capabilities: Sequence[str]
) -> PluginChoice:
    """Decide, and compile the C++ plugin if that is needed (seconds).

    ``auto`` takes the C++ plugin if the cache has it or it can be compiled, else the ahead-of-time plugin for
    static shapes with TensorRT, else the operator's body.

    Args:
        wanted: ``"auto"``, ``"cpp"``, ``"aot"`` or ``"none"``.
        trt: The module of the flavour.
        flavour: Which TensorRT.
        inputs: Shapes that the plan will take.
        capabilities: Compute capabilities of the GPUs that are to run it, such as ``"9.0"``.

    Raises:
        InputError: ``wanted`` is unknown, or is ``"aot"`` where that cannot be had.
        ExportError: ``"cpp"`` was wanted and cannot be had; the message says what is missing.
    """
    if wanted == "auto":
        return _first_possible(trt, flavour, inputs, capabilities)
    if wanted == "cpp":
        return _cpp_plugin(trt, flavour, capabilities, "as asked for")
    if wanted == "aot":
        missing = _why_no_aot(trt, flavour, inputs, capabilities)
        if missing:
            raise InputError(f"--plugin aot cannot be had: {missing}; use --plugin cpp or none")
        return _aot_plugin("as asked for")
    if wanted == "none":
        return PluginChoice("none", "the operator's body in standard operators, as asked for")
    raise InputError(f"--plugin is '{wanted}': use {', '.join(('auto', *PLUGINS))}")


def network_flags(plugin: PluginChoice, trt: ModuleType) -> int:
    """Bits that ``create_network`` needs beside the caller's own."""
    if plugin.name != "aot":
        return 0
    return aot_network_flag(trt)


def register_plugin(
    plugin: PluginChoice, trt: ModuleType, builder: Any, config: Any, messages: Messages
) -> None:
    """Make the plugin known to a builder, before anything is parsed.

    Args:
        plugin: From :func:`choose_plugin`.
        trt: The module that it was chosen for.
        builder: Its registry gets the plugin.
        config: The plan that it builds will hold the library of ``"cpp"``.
        messages: What TensorRT says meanwhile.

    Raises:
        ExportError: TensorRT refuses the plugin.
    """
    if plugin.name == "aot":
        register_aot_plugin(trt)
    if plugin.library is None:
        return
    provide_runtime_name(RTX if trt.__name__ in RTX.modules else TENSORRT, plugin.library.parent)
    if builder.get_plugin_registry().load_library(str(plugin.library)) is None:
        raise ExportError(
            f"TensorRT did not load the plugin {plugin.library}: {messages.why()}. Remove its folder and run "
            "dinoflow-deploy plugin build, or use --plugin none"
        )
    config.plugins_to_serialize = [str(plugin.library)]


def check_plugin_layer(network: Any, plugin: PluginChoice) -> None:
    """Hold the parser to the choice, after parsing.

    Raises:
        ExportError: A plugin was to be used and the network has no plugin layer, or the other way round.
    """
    kinds = {network.get_layer(index).type.name for index in range(network.num_layers)}
    if plugin.name == "none" and "PLUGIN_V3" in kinds:
        raise ExportError(
            "TensorRT took a plugin where none was wanted: the ahead-of-time one, once registered, "
            "stays until the process ends; build this plan in a process of its own"
        )
    if plugin.name != "none" and "PLUGIN_V3" not in kinds:
        raise ExportError(
            f"the plugin ({plugin.name}) was not taken by TensorRT's parser: the ONNX has no node "
            "dinoflow::LocalCorrelation with plugin_namespace 'dinoflow' (export without --plain), or use "
            "--plugin none"
        )


def _first_possible(
    trt: ModuleType, flavour: Flavour, inputs: InputRange, capabilities: Sequence[str]
) -> PluginChoice:
    try:
        return _cpp_plugin(trt, flavour, capabilities, "by --plugin auto")
    except ExportError as error:
        # The cause alone; what to do about it is said by whoever asks for the plugin.
        no_cpp = re.split(r" \(|: ", str(error))[0]
    no_aot = _why_no_aot(trt, flavour, inputs, capabilities)
    if no_aot is None:
        return _aot_plugin(f"by --plugin auto, since the C++ plugin cannot be had: {no_cpp}")
    why = f"since neither plugin can be had: cpp: {no_cpp}; aot: {no_aot}"
    return PluginChoice("none", f"the operator's body, by --plugin auto, {why}")


def _cpp_plugin(trt: ModuleType, flavour: Flavour, capabilities: Sequence[str], why: str) -> PluginChoice:
    version = trt.__version__
    library = find_library(flavour, version, capabilities)
    if library is None:
        more = (architecture_of(each) for each in capabilities if not runs_on(DEFAULT_ARCHITECTURES, each))
        library = build_library(flavour, version, architectures=(*DEFAULT_ARCHITECTURES, *more))
    return PluginChoice("cpp", f"the C++ plugin {library.path}, {why}", library.path, library.digest)


def _aot_plugin(why: str) -> PluginChoice:
    load_ptx()
    return PluginChoice("aot", f"the ahead-of-time plugin, {why}", None, ptx_digest())


def _why_no_aot(
    trt: ModuleType, flavour: Flavour, inputs: InputRange, capabilities: Sequence[str]
) -> str | None:
    never = why_never_aot(trt, flavour)
    if never:
        return never
    older = [each for each in capabilities if not runs_on((PTX_CAPABILITY,), each)]
    if older:
        return f"its PTX does not run on GPUs of compute capability {', '.join(older)}"
    if not all(axis.is_static for axis in (inputs.batch, inputs.height, inputs.width)):
        return (
            "it leaks GPU memory whenever shapes change (an open defect of TensorRT), and these are dynamic"
        )
    return None
