"""What is installed, what of it really works, and what to do about the rest.

What is reported as working was tried, in a process of its own.
"""

import platform
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy import __version__
from dinoflow_deploy.doctor.probes import Outcome, run_probe
from dinoflow_deploy.engines.onnxruntime.packages import cuda_fix, installed_packages, repair
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.system.machine import Machine, describe_machine
from dinoflow_deploy.system.optional import install_command, is_installed, requirements


@dataclass(frozen=True, slots=True)
class Package:
    """A package that dinoflow-deploy can use.

    Attributes:
        name: Its name.
        version: The installed version; ``None`` where it is missing.
    """

    name: str
    version: str | None


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was tried.

    Attributes:
        name: What was tried.
        problem: Why it does not work; ``None`` where it does.
    """

    name: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder that downloads are kept in.

    Attributes:
        name: Whose cache it is.
        path: Where it lies; it may not exist yet.
        free_bytes: Space left on its disk.
    """

    name: str
    path: str
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Advice:
    """Something wrong or missing, and what to do about it.

    Attributes:
        about: What is wrong or missing.
        effect: What comes of it, or what it would enable.
        command: The command that mends it.
    """

    about: str
    effect: str
    command: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that ``examine`` found.

    Attributes:
        version: Version of dinoflow-deploy.
        python: Version of Python.
        machine: The machine.
        packages: The packages that dinoflow-deploy can use.
        runtimes: Execution providers, torch's CUDA and TensorRT where installed, each of which was tried.
        models: Built-in models, each of which was run.
        caches: Where downloads are kept.
        problems: What is wrong.
        missing: What is not installed.
    """

    version: str
    python: str
    machine: Machine
    packages: tuple[Package, ...]
    runtimes: tuple[Check, ...]
    models: tuple[Check, ...]
    caches: tuple[Cache, ...]
    problems: tuple[Advice, ...]
    missing: tuple[Advice, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A package by the distributions that may provide it, what it is for, and the extra that brings it."""

    distributions: tuple[str, ...]
    enables: str
    extra: str | None = None


_WANTED: Final = (
    _Wanted(("numpy",), "everything"),
    _Wanted(("opencv-python-headless", "opencv-python"), "reading and writing images"),
    _Wanted(("av",), "reading and writing video"),
    _Wanted(("safetensors",), "reading weights"),
    _Wanted(("huggingface_hub",), "downloading weights"),
    _Wanted(("onnxruntime", "onnxruntime-gpu"), "running exported models", "cpu"),
    _Wanted(("torch",), "export, training and the PyTorch engine", "export"),
    _Wanted(("onnx",), "export, inspect, and ONNX Runtime on CUDA", "export"),
    _Wanted(("onnxscript",), "export", "export"),
    _Wanted(("tensorboard",), "curves and pictures of a training run", "train"),
    _Wanted(("h5py",), "reading .flo5 files", "flo5"),
    _Wanted(("tensorrt-cu13", "tensorrt"), "building and running TensorRT plans", "tensorrt"),
    _Wanted(
        ("tensorrt-rtx-cu13-bindings", "tensorrt-rtx"), "building plans for RTX cards on any machine", "rtx"
    ),
)
_CUDA_PROVIDER: Final = "CUDAExecutionProvider"
_REINSTALL: Final = "pip install --force-reinstall --no-deps .  # in a clone of dinoflow-deploy"
_PROBE_OF: Final = {"onnxruntime": "ONNX Runtime", "torch": "torch on CUDA", "tensorrt": "TensorRT"}
_NEED_NO_GPU: Final = ("ONNX Runtime", "CPUExecutionProvider")


def examine() -> Report:
    """Look at everything; this takes some seconds, since what is reported is tried."""
    packages = tuple(_package(wanted) for wanted in _WANTED)
    machine = describe_machine()
    with ThreadPoolExecutor() as pool:
        runtimes = [
            pool.submit(run_probe, probe) for module, probe in _PROBE_OF.items() if is_installed(module)
        ]
        models = [pool.submit(run_probe, "model", name) for name in builtin_models()]
        tried, run = (_checks(futures) for futures in (runtimes, models))
    return Report(
        version=__version__,
        python=f"{platform.python_version()} ({sys.executable})",
        machine=machine,
        packages=packages,
        runtimes=tried,
        models=run,
        caches=(_hub_cache(),),
        problems=(*_model_problems(run), *_runtime_problems(machine, tried), *_conflicts()),
        missing=tuple(_missing(machine)),
    )


def _checks(futures: list[Future[Outcome]]) -> tuple[Check, ...]:
    return tuple(Check(*item) for future in futures for item in future.result().items())


def _package(wanted: _Wanted) -> Package:
    """What is installed of the distributions; the first one's name where none is."""
    versions = {name: version for name in wanted.distributions if (version := _version(name))}
    if not versions:
        return Package(wanted.distributions[0], None)
    return Package(" and ".join(versions), " and ".join(versions.values()))


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _hub_cache() -> Cache:
    from huggingface_hub.constants import HF_HUB_CACHE

    path = Path(HF_HUB_CACHE)
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    return Cache("Hugging Face hub", str(path), shutil.disk_usage(existing).free)


def _missing(machine: Machine) -> Iterator[Advice]:
    for wanted in _WANTED:
        package = _package(wanted)
        if package.version is None:
            # The one extra that depends on the machine.
            extra = "gpu" if wanted.extra == "cpu" and machine.gpus else wanted.extra
            needed = requirements(extra)
            if extra is None:
                needed = [
                    requirement for requirement in needed if requirement.startswith(package.name)
                ] or needed
            yield Advice(package.name, wanted.enables, install_command(needed))


def _conflicts() -> Iterator[Advice]:
    packages = installed_packages()
    if len(packages) > 1:
        yield Advice(
            f"{' and '.join(packages)} are both installed",
            "they own the same files, and the one installed last wins",
            cuda_fix(),
        )


def _runtime_problems(machine: Machine, runtimes: tuple[Check, ...]) -> Iterator[Advice]:
    if machine.gpu_problem:
        yield Advice("nvidia-smi finds no GPU", machine.gpu_problem, "nvidia-smi")
    fixes = {
        "ONNX Runtime": repair(),
        "CPUExecutionProvider": repair(),
        _CUDA_PROVIDER: cuda_fix(),
        "torch on CUDA": "see https://pytorch.org/get-started for a build of torch with CUDA",
        "TensorRT": install_command(requirements("tensorrt"), "--upgrade"),
    }
    for check in runtimes:
        # Without a GPU it is in order that nothing runs on one.
        if check.problem and check.name in fixes and (machine.gpus or check.name in _NEED_NO_GPU):
            yield Advice(f"{check.name} does not work", check.problem, fixes[check.name])
    if machine.gpus and "onnxruntime-gpu" not in installed_packages() and installed_packages():
        yield Advice("ONNX Runtime has no CUDA provider", "exported models run on the CPU", cuda_fix())


def _model_problems(models: tuple[Check, ...]) -> Iterator[Advice]:
    if not models:
        yield Advice("no built-in model is installed", "commands need --model", _REINSTALL)
    for check in models:
        if check.problem and installed_packages():
            yield Advice(f"the built-in model {check.name} does not run", check.problem, _REINSTALL)
