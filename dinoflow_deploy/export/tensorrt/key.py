"""What decides a plan, as one hash: a plan with the same key need not be built again."""

from typing import Final

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.export.key import sha256_of
from dinoflow_deploy.export.plugin.correlation_choice import Door
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.export.tensorrt.target import Target

_RECIPE: Final = 1
"""Counted up whenever this package builds otherwise from the same settings."""


def plan_key(onnx_sha256: str, target: Target, options: PlanOptions, inputs: InputRange, door: Door) -> str:
    """SHA-256 over everything that decides a plan.

    The driver is left out, since plans live through its updates; so is the timing cache, which changes how
    long a build takes.

    Args:
        onnx_sha256: Of the ONNX file, 64 hexadecimal digits.
        target: TensorRT and GPU.
        options: Settings of the builder.
        inputs: Shapes of the plan.
        door: What computes the local correlation.
    """
    decisive = {
        "recipe": _RECIPE,
        "onnx": onnx_sha256,
        "flavour": target.flavour.name,
        "version": target.version,
        "compute_capabilities": target.compute_capabilities,
        "gpu": target.gpu.name if target.gpu else None,
        "inputs": [(axis.min, axis.opt, axis.max) for axis in (inputs.batch, inputs.height, inputs.width)],
        "optimization_level": options.optimization_level,
        "hardware_compatibility": options.hardware_compatibility,
        "workspace_gib": options.workspace_gib,
        "plugin": (door.name, door.digest),
    }
    return sha256_of(decisive)
