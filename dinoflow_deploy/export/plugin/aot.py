"""LocalCorrelation as an ahead-of-time quick-deploy plugin: TensorRT is given the PTX and how to launch it.

Neither compiler nor headers are needed, and the plan loads without Python. TensorRT 11.1 and 11.2 leak a CUDA
module at each change of shape (github.com/NVIDIA/TensorRT/issues/4849, open): this door is for static shapes.
"""

import importlib
from collections.abc import Callable
from functools import cache
from types import GenericAlias, ModuleType
from typing import Any, Final

import numpy as np

from dinoflow_deploy.export.plugin.launch import ENTRIES, MAXIMUM_RADIUS, THREADS, block_count
from dinoflow_deploy.export.plugin.ptx import load_ptx
from dinoflow_deploy.tensorrt.flavours import RTX, Flavour, release_of

PLUGIN_ID = "dinoflow::LocalCorrelation"

# TensorRT's own Python makes an attribute of an array of one element, by int(array), which NumPy ended. 10.16
# and 11.1 were seen to, 11.4 not to; 11.2 and 11.3 were not seen.
_READS_RADIUS: Final = (11, 4)
_NUMPY_REFUSES: Final = (2, 4)


def why_never_aot(trt: ModuleType, flavour: Flavour) -> str | None:
    """Why no plan can be built with this plugin here, and what to do; ``None`` where some can.

    Args:
        trt: The module of the flavour.
        flavour: Which TensorRT.
    """
    if flavour == RTX:
        return f"{flavour.title} has no ahead-of-time plugins"
    if not hasattr(trt.NetworkDefinitionCreationFlag, "PREFER_AOT_PYTHON_PLUGINS"):
        return f"{flavour.title} {trt.__version__} has no ahead-of-time plugins: update it"
    if release_of(trt) < _READS_RADIUS and release_of(np) >= _NUMPY_REFUSES:
        return (
            f"tensorrt.plugin of {flavour.title} {trt.__version__} cannot read the radius with NumPy "
            f"{np.__version__}: pip install 'numpy<2.4'"
        )
    return None


def aot_network_flag(trt: ModuleType) -> int:
    """The bit of ``create_network`` that lets a network prefer ahead-of-time plugins."""
    return 1 << int(trt.NetworkDefinitionCreationFlag.PREFER_AOT_PYTHON_PLUGINS)


@cache
def register_aot_plugin(trt: ModuleType) -> None:
    """Register the plugin with TensorRT, for this process; once is enough.

    Args:
        trt: The module ``tensorrt``, 10.16 or newer.

    Raises:
        ExportError: The PTX was not made of the sources beside it.
    """
    trtp = importlib.import_module(f"{trt.__name__}.plugin")
    describe, combine, launch = plugin_functions(trt, trtp, load_ptx())
    trtp.register(PLUGIN_ID)(describe)
    trtp.autotune(PLUGIN_ID)(combine)
    trtp.aot_impl(PLUGIN_ID)(launch)


def plugin_functions(trt: ModuleType, trtp: Any, ptx: str) -> tuple[Callable[..., Any], ...]:
    """What ``register``, ``autotune`` and ``aot_impl`` take.

    Args:
        trt: The module ``tensorrt``.
        trtp: The module ``tensorrt.plugin``.
        ptx: The kernels.
    """
    entry_of = {
        trt.DataType.FLOAT: ENTRIES["fp32"],
        trt.DataType.HALF: ENTRIES["fp16"],
        trt.DataType.BF16: ENTRIES["bf16"],
    }

    def describe(feature1: Any, feature2: Any, radius: Any) -> Any:
        if not 1 <= radius <= MAXIMUM_RADIUS:
            raise ValueError(f"LocalCorrelation has a radius of {radius}: it takes 1 to {MAXIMUM_RADIUS}")
        batch, _, height, width = feature1.shape_expr
        return trtp.from_shape_expr((batch, (2 * radius + 1) ** 2, height, width), dtype=feature1.dtype)

    def combine(feature1: Any, feature2: Any, radius: Any, outputs: Any) -> Any:
        types = "FP32|FP16|BF16"
        return [trtp.AutoTuneCombination(f"{types}, {types}, {types}", "LINEAR")]

    def launch(feature1: Any, feature2: Any, radius: Any, outputs: Any, tactic: Any) -> Any:
        batch, channels, height, width = feature1.shape_expr
        parameters = trtp.KernelLaunchParams(
            grid_x=block_count(batch, height, width, radius), block_x=THREADS, shared_mem=0
        )
        integers = trtp.SymIntExprs(4)
        for index, value in enumerate((channels, height, width, trtp.SymInt32(radius))):
            integers[index] = value
        return entry_of[feature1.dtype], ptx, parameters, integers

    # TensorRT reads these, and they name classes of a module that is not there for a type checker.
    arguments = {"feature1": trtp.TensorDesc, "feature2": trtp.TensorDesc, "radius": int}
    outputs = GenericAlias(tuple, trtp.TensorDesc)
    combinations = GenericAlias(list, trtp.AutoTuneCombination)
    kernel = GenericAlias(tuple, (str, str, trtp.KernelLaunchParams, trtp.SymIntExprs))
    describe.__annotations__ = {**arguments, "return": trtp.TensorDesc}
    combine.__annotations__ = {**arguments, "outputs": outputs, "return": combinations}
    launch.__annotations__ = {**arguments, "outputs": outputs, "tactic": int, "return": kernel}
    return describe, combine, launch
