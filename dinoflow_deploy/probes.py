"""Try out what may hang or crash, each in a process of its own: drivers, CUDA libraries, TensorRT, windows.

``python -m dinoflow_deploy.probes NAME [ARGUMENT]`` prints what came of it as JSON: the problem, or ``null``,
by name of what was tried.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Final

Outcome = dict[str, str | None]

_SECONDS: Final = 120


def onnx_runtime() -> Outcome:
    """Run a convolution on every execution provider that ONNX Runtime lists."""
    import onnxruntime

    from dinoflow_deploy.engines.onnx_providers import provider_problem

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


def window() -> Outcome:
    """Open a window of OpenCV and close it: its toolkits end the process where there is no screen."""
    import cv2

    cv2.namedWindow("dinoflow-deploy")
    cv2.waitKey(1)
    cv2.destroyAllWindows()
    return {"window": None}


PROBES: Final[dict[str, Callable[..., Outcome]]] = {
    "ONNX Runtime": onnx_runtime,
    "torch on CUDA": torch_cuda,
    "TensorRT": tensorrt,
    "model": builtin_model,
    "window": window,
}


def run_probe(name: str, *arguments: str) -> Outcome:
    """Try one thing in a process of its own.

    Args:
        name: A key of ``PROBES``.
        arguments: What it takes.

    Returns:
        The problem by name of what was tried; under the last of ``name, *arguments`` if it did not answer.
    """
    command = [sys.executable, "-m", "dinoflow_deploy.probes", name, *arguments]
    label = (name, *arguments)[-1]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return {label: f"no answer within {_SECONDS} s"}
    if done.returncode:
        return {label: f"the process ended with code {done.returncode}: {done.stderr.strip()[-200:]}"}
    # Libraries may print before; the answer is the last line.
    outcome: Outcome = json.loads(done.stdout.splitlines()[-1])
    return outcome


def _main(name: str, *arguments: str) -> None:
    try:
        outcome = PROBES[name](*arguments)
    except Exception as error:  # whatever a broken installation raises is what is to be reported
        outcome = {(name, *arguments)[-1]: " ".join(str(error).split())}
    print("\n" + json.dumps(outcome))


if __name__ == "__main__":
    _main(*sys.argv[1:])
