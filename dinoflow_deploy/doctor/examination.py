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
from dinoflow_deploy.doctor.probes import Outcome, try_backend, try_model
from dinoflow_deploy.engines.backend import Probe
from dinoflow_deploy.engines.backends import all_backends, without_gpu_first
from dinoflow_deploy.engines.kinds import ONNX
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.system.machine import Machine, describe_machine
from dinoflow_deploy.system.optional import install_command, requirements


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
    gpu_extra: str = ""


_ALWAYS: Final = (
    _Wanted(("numpy",), "everything"),
    _Wanted(("opencv-python-headless", "opencv-python"), "reading and writing images"),
    _Wanted(("av",), "reading and writing video"),
    _Wanted(("safetensors",), "reading weights"),
    _Wanted(("huggingface_hub",), "downloading weights"),
)
_BESIDE: Final = (
    _Wanted(("onnx",), "export, inspect, and ONNX Runtime on CUDA", "export"),
    _Wanted(("onnxscript",), "export", "export"),
    _Wanted(("tensorboard",), "curves and pictures of a training run", "train"),
    _Wanted(("h5py",), "reading .flo5 files", "flo5"),
)
_REINSTALL: Final = "pip install --force-reinstall --no-deps .  # in a clone of dinoflow-deploy"


def examine() -> Report:
    """Look at everything; this takes some seconds, since what is reported is tried."""
    packages = tuple(_package(wanted) for wanted in wanted_packages())
    machine = describe_machine()
    with ThreadPoolExecutor() as pool:
        runtimes = [pool.submit(try_backend, probe) for probe in _probes()]
        models = [pool.submit(try_model, name, str(model.bundle)) for name, model in builtin_models().items()]
        tried, run = (_checks(futures) for futures in (runtimes, models))
    return Report(
        version=__version__,
        python=f"{platform.python_version()} ({sys.executable})",
        machine=machine,
        packages=packages,
        runtimes=tried,
        models=run,
        caches=(_hub_cache(),),
        problems=(*_model_problems(run), *_runtime_problems(machine, tried)),
        missing=tuple(_missing(machine)),
    )


def wanted_packages() -> tuple[_Wanted, ...]:
    """Every package that can be of use."""
    needed = dict.fromkeys(package for backend in without_gpu_first() for package in backend.packages)
    backends = (_Wanted(each.distributions, each.enables, each.extra, each.gpu_extra) for each in needed)
    return (*_ALWAYS, *backends, *_BESIDE)


def _probes() -> list[Probe]:
    """Of the backends whose package is installed; of several, the one that it runs on best."""
    return [
        backend.probe
        for backend in without_gpu_first()
        if backend.probe and all(package.is_installed for package in backend.packages[:1])
    ]


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
    for wanted in wanted_packages():
        package = _package(wanted)
        if package.version is None:
            extra = wanted.gpu_extra if wanted.gpu_extra and machine.gpus else wanted.extra
            needed = requirements(extra)
            if extra is None:
                needed = [
                    requirement for requirement in needed if requirement.startswith(package.name)
                ] or needed
            yield Advice(package.name, wanted.enables, install_command(needed))


def _runtime_problems(machine: Machine, runtimes: tuple[Check, ...]) -> Iterator[Advice]:
    if machine.gpu_problem:
        yield Advice("nvidia-smi finds no GPU", machine.gpu_problem, "nvidia-smi")
    probes = [backend.probe for backend in without_gpu_first() if backend.probe]
    for check in runtimes:
        for probe in probes:
            # Without a GPU it is in order that nothing runs on one.
            if check.problem and check.name in (probe.needed if machine.gpus else probe.needed_without_gpu):
                yield Advice(f"{check.name} does not work", check.problem, probe.repair(check.name))
    for probe in probes:
        for found in probe.problems(bool(machine.gpus)):
            yield Advice(found.about, found.effect, found.command)


def _model_problems(models: tuple[Check, ...]) -> Iterator[Advice]:
    if not models:
        yield Advice("no built-in model is installed", "commands need --model", _REINSTALL)
    for check in models:
        # Where nothing runs bundles it follows from that.
        if check.problem and any(each.is_installed for each in all_backends() if ONNX in each.runs):
            yield Advice(f"the built-in model {check.name} does not run", check.problem, _REINSTALL)
