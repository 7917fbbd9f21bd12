"""What doctor and selftest try out, each in a process of its own since it may hang or crash."""

from typing import Final

from dinoflow_deploy.system.own_process import call_in_own_process

Outcome = dict[str, str | None]
"""The problem, or ``None``, by name of what was tried."""


def onnx_runtime() -> Outcome:
    """Run a convolution on every execution provider that ONNX Runtime lists."""
    import onnxruntime

    from dinoflow_deploy.engines.onnxruntime.providers import provider_problem

    # Azure's provider calls a service on the network: nothing runs on it here.
    names = [name for name in onnxruntime.get_available_providers() if name != "AzureExecutionProvider"]
    return {name: provider_problem(name) for name in names}


def torch_cuda() -> Outcome:
    """Ask torch for a CUDA device."""
    import torch

    if torch.cuda.is_available():
        return {"torch on CUDA": None}
    if torch.version.cuda is None:
        return {"torch on CUDA": f"torch {torch.__version__} is built without CUDA"}
    return {"torch on CUDA": "no CUDA device was found"}


def tensorrt() -> Outcome:
    """Make a TensorRT builder, which needs its libraries and a GPU."""
    import tensorrt as trt

    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    return {"TensorRT": None if builder else f"TensorRT {trt.__version__} could not make a builder"}


def builtin_model(name: str) -> Outcome:
    """Run a built-in model on the CPU, on a pair of 64x64 noise."""
    import numpy as np

    from dinoflow_deploy.engines import load_engine

    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    with load_engine(name, device="cpu") as engine:
        engine(frames[0], frames[1])
    return {name: None}


PROBES: Final = {
    "ONNX Runtime": "onnx_runtime",
    "torch on CUDA": "torch_cuda",
    "TensorRT": "tensorrt",
    "model": "builtin_model",
}
"""The functions of this module by what they try out."""


def run_probe(name: str, *arguments: str) -> Outcome:
    """Try one thing in a process of its own.

    Args:
        name: A key of ``PROBES``.
        arguments: What it takes.

    Returns:
        The problem by name of what was tried; under the last of ``name, *arguments`` if it did not answer.
    """
    answer, problem = call_in_own_process(f"{__name__}:{PROBES[name]}", *arguments)
    outcome: Outcome = {(name, *arguments)[-1]: problem} if problem else answer
    return outcome
