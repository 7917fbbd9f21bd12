"""What `on_gpu.py` runs: a line of data for each part."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from dinoflow_deploy.doctor.probes import device_problem
from dinoflow_deploy.engines.backends import find_backend
from dinoflow_deploy.system.optional import is_installed

SCRIPTS: Final = Path(__file__).resolve().parent

_SIZE: Final = "448x1024"
_PYTORCH: Final = (
    *("compile-graph-bf16", "channels-last-bf16", "eager-bf16", "eager-fp32", "compile-bf16"),
    *("channels-last-fp16", "eager-fp16"),
)
_ONNX_RUNTIME: Final = (
    *("onnxruntime-fp16", "onnxruntime-graph-fp16", "channels-last-bf16", "onnxruntime-channels-last-fp16"),
    *("onnxruntime-fp32", "onnxruntime-graph-fp32"),
)
_INDUCTOR: Final = (
    *("inductor-graph-bf16", "inductor-bf16", "inductor-graph-fp16", "inductor-fp16"),
    *("compile-graph-bf16", "inductor-graph-fp32", "inductor-fp32"),
)
_FEW: Final = ("compile-graph-bf16", "channels-last-bf16", "eager-fp32")
_TINY_SPEED: Final = ("--model", "nano", "--sizes", "64x80", "--rounds", "2", "--seconds", "0")


@dataclass(frozen=True, slots=True)
class Part:
    """A part.

    Attributes:
        name: To choose it by.
        title: What it shows.
        script: Of this folder; takes ``--output``, and writes a record there.
        arguments: Of the script.
        seconds: It is given at most.
        needs: Of ``NEEDS``.
        tiny: Arguments that come after the others with ``--tiny``.
        on_device: Whether it takes ``--device``.
        own_time: Whether its seconds are beyond what all parts have together.
    """

    name: str
    title: str
    script: str
    arguments: tuple[str, ...]
    seconds: float
    needs: tuple[str, ...] = ()
    tiny: tuple[str, ...] = ()
    on_device: bool = True
    own_time: bool = False

    def command(self, device: str, output: Path, *, tiny: bool) -> list[str]:
        """What Python is to run."""
        words = [str(SCRIPTS / f"{self.script}.py"), *self.arguments, *(self.tiny if tiny else ())]
        words += ["--device", device] if self.on_device else []
        return [*words, "--output", str(output)]


PARTS: Final = (
    Part(
        "inductor",
        f"forward pass of vits16 by packages of PyTorch's compiler, with and without a CUDA graph, {_SIZE}",
        "gpu_speed",
        ("--sizes", _SIZE, "--variants", *_INDUCTOR),
        210,
        ("CUDA",),
    ),
    Part(
        "triton",
        "the Triton kernels' numbers and times",
        "kernels_in_triton",
        (),
        90,
        ("Triton",),
        tiny=("--sizes", "16x16", "--types", "bf16", "--channels", "4", "--rounds", "1"),
    ),
    Part(
        "training rates",
        "steps of the model card's training, and of nano's and small's, eager and compiled",
        "train_rate",
        (),
        170,
        tiny=("--cases", "nano:3:1:64x64", "--variants", "eager", "--seconds", "0"),
    ),
    Part(
        "tests",
        'tests marked "gpu" and "tensorrt"',
        "gpu_tests",
        (),
        200,
        ("CUDA", "pytest"),
        on_device=False,
    ),
    Part(
        "kernel",
        "the correlation kernel's numbers and times",
        "correlation_kernel",
        (),
        60,
        ("CUDA", "cuda-python"),
        on_device=False,
    ),
    Part(
        "speed",
        f"forward pass of vits16 at {_SIZE}, PyTorch",
        "gpu_speed",
        ("--sizes", _SIZE, "--variants", *_PYTORCH),
        180,
        tiny=(*_TINY_SPEED, "--variants", "channels-last-bf16"),
    ),
    Part(
        "onnxruntime",
        f"forward pass of vits16 by ONNX Runtime, with and without a CUDA graph, beside PyTorch, {_SIZE}",
        "gpu_speed",
        ("--sizes", _SIZE, "--variants", *_ONNX_RUNTIME),
        150,
        ("ONNX Runtime",),
        tiny=(*_TINY_SPEED, "--variants", "channels-last-bf16", "onnxruntime-fp16", "onnxruntime-graph-fp16"),
    ),
    Part(
        "video",
        f"the video pipeline against the bare engine, nano, {_SIZE}",
        "video_throughput",
        ("--backend", "pytorch", "--rounds", "3"),
        60,
        ("av",),
        tiny=("--size", "64x96", "--frames", "4", "--rounds", "1"),
    ),
    Part(
        "engines",
        f"the built-in model as users load it, {_SIZE}",
        "engine_speed",
        ("--models", "nano", "--sizes", _SIZE, "--rounds", "3", "--seconds", "1"),
        150,
        ("ONNX Runtime",),
        tiny=("--sizes", "64x64", "--rounds", "1", "--seconds", "0", "--backends", "pytorch", "onnxruntime"),
    ),
    Part(
        "scene rate",
        "synthetic scenes drawn by torch",
        "scene_rate",
        ("--renderers", "torch", "--pairs", "1024", "--batch", "256"),
        60,
        tiny=("--sizes", "128x128", "--pairs", "1", "--batch", "1"),
    ),
    Part(
        "speed 1088x1920",
        "forward pass of vits16 at 1088x1920, PyTorch",
        "gpu_speed",
        ("--sizes", "1088x1920", "--variants", *_FEW),
        120,
        ("CUDA",),
    ),
    Part(
        "speed 384x1248",
        "forward pass of vits16 at 384x1248, PyTorch",
        "gpu_speed",
        ("--sizes", "384x1248", "--variants", *_FEW),
        120,
        ("CUDA",),
    ),
)
"""In the order of their value: what no GPU has shown yet comes first, and fits into the default minutes."""


def training_part(arguments: argparse.Namespace) -> Part:
    """Training by the recipe of ``--train``, which has minutes of its own.

    Args:
        arguments: Of ``on_gpu.py``.
    """
    folder: Path = arguments.output.resolve()
    settings = {
        "--recipe": arguments.train,
        "--minutes": str(arguments.train_minutes),
        "--model": str(folder / "model.safetensors"),
        "--recipe-output": str(folder / "recipe.toml"),
        "--init-from": arguments.train_from,
        "--dataset": arguments.train_data,
    }
    words = [word for name, value in settings.items() if value for word in (name, value)]
    return Part(
        "training",
        f"{arguments.train}, fitted to {arguments.train_minutes:g} minutes",
        "fitted_training",
        tuple(words),
        60 * arguments.train_minutes,
        ("tensorboard",),
        tiny=("--rate-steps", "2", "--most-steps", "6", "--workers", "0"),
        own_time=True,
    )


def needs_met(part: Part, device: str) -> str | None:
    """Why a part cannot be run here, or ``None``."""
    problems = [problem for need in part.needs if (problem := NEEDS[need](device))]
    if device == "cuda" and (missing := _cuda(device)):
        return missing
    return "; ".join(problems) or None


@cache
def _cuda(device: str) -> str | None:
    """In a process of its own, like every look at a device."""
    if device != "cuda":
        return f"it needs a GPU, and --device is {device}"
    return device_problem(find_backend("pytorch"), device)


@cache
def _onnx_runtime(device: str) -> str | None:
    return device_problem(find_backend("onnxruntime"), device)


def _package(module: str, name: str) -> Callable[[str], str | None]:
    return lambda _: None if is_installed(module) else f"{name} is not installed"


NEEDS: Final[dict[str, Callable[[str], str | None]]] = {
    "CUDA": _cuda,
    "ONNX Runtime": _onnx_runtime,
    "av": _package("av", "av"),
    "cuda-python": _package("cuda.bindings.driver", "cuda-python"),
    "pytest": _package("pytest", "pytest"),
    "tensorboard": _package("tensorboard", "tensorboard"),
    "Triton": _package("triton", "triton"),
}
"""By name, what tells why it is not there."""
