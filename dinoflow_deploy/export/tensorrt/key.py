"""What decides a plan, as one hash: a plan with the same key need not be built again."""

from typing import Final

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.export.key import sha256_of
from dinoflow_deploy.export.option import decisive
from dinoflow_deploy.export.plugin.plugin_choice import PluginChoice
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.export.tensorrt.toolchain import Toolchain

_RECIPE: Final = 2
"""Counted up whenever this package builds otherwise from the same settings."""


def plan_key(
    onnx_sha256: str, toolchain: Toolchain, options: PlanOptions, inputs: InputRange, plugin: PluginChoice
) -> str:
    """SHA-256 over everything that decides a plan.

    The driver is left out, since plans live through its updates.

    Args:
        onnx_sha256: Of the ONNX file, 64 hexadecimal digits.
        toolchain: TensorRT and GPU.
        options: Settings of the builder; each is part of the key that is not declared outside it.
        inputs: Shapes of the plan.
        plugin: What computes the local correlation.
    """
    return sha256_of(
        {
            "recipe": _RECIPE,
            "onnx": onnx_sha256,
            "options": decisive(options),
            "version": toolchain.version,
            "compute_capabilities": toolchain.compute_capabilities,
            "gpu": toolchain.gpu.name if toolchain.gpu else None,
            "inputs": inputs,
            "plugin": (plugin.name, plugin.digest),
        }
    )
