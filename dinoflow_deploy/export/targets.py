"""The targets of an export."""

from typing import Final

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.options import ExportOptions
from dinoflow_deploy.export.target import Target, TargetOptions
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.export.triton.options import TritonOptions

ONNX: Final = Target("onnx", "onnx", "an ONNX file", ExportOptions)
TENSORRT: Final = Target(
    "tensorrt",
    "tensorrt for a plan beside it",
    "a plan",
    PlanOptions,
    panel="TensorRT plans",
    prepare="dinoflow_deploy.export.tensorrt.maker:prepare",
    batch="1",
)
TRITON: Final = Target(
    "triton",
    "triton for a server's model repository",
    "a version in a model repository",
    TritonOptions,
    panel="Triton",
    output="dinoflow_deploy.export.triton.output:RepositoryOutput",
)
TARGETS: list[Target] = [ONNX, TENSORRT, TRITON]
"""In the order of ``--help``. A row more is a target more."""


def target_of(options: TargetOptions) -> Target:
    """The target that options are for.

    Raises:
        InputError: They are for none.
    """
    for target in TARGETS:
        if type(options) is target.options:
            return target
    raise InputError(f"{type(options).__name__} is not the options of a target")
