"""What a backend says about itself: one row, from which everything else is read.

Loading, command lines, messages, help, ``doctor`` and ``selftest`` know no backend but by its row. The module
of a row imports nothing that the backend needs, but inside of functions: rows are read without it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinoflow_deploy.engines.kinds import Kind
from dinoflow_deploy.models.published import PublishedModel
from dinoflow_deploy.system.optional import is_installed, require

if TYPE_CHECKING:
    from dinoflow_deploy.engines.base import FlowEngine

Source = Path | PublishedModel | str
"""A file, the folder of a bundle, a published model, or one of a kind's names."""


@dataclass(frozen=True, slots=True)
class Option:
    """A keyword argument of an engine's class, beyond those of every engine.

    Attributes:
        name: Its name.
        help: What command lines say of it: then it is an option of ``video`` and ``bench``, ``--cuda-graph``
            for ``cuda_graph``. Without, it is for Python alone.
        choices: The values that it may have there; without, it is a switch.
    """

    name: str
    help: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package that a backend needs.

    Attributes:
        modules: What may be imported, the first one preferred.
        title: What it is called in sentences.
        distributions: What pip may have installed it from.
        enables: What it is for: ``"running exported models"``.
        extra: The extra of this package that brings it.
        gpu_extra: The one that brings it to a machine with a GPU; empty where that is the same.
    """

    modules: tuple[str, ...]
    title: str
    distributions: tuple[str, ...]
    enables: str
    extra: str
    gpu_extra: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether it can be found, without importing it."""
        return any(map(is_installed, self.modules))


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about an installation that is wrong.

    Attributes:
        about: What.
        effect: What comes of it.
        command: The command that mends it.
    """

    about: str
    effect: str
    command: str


def _none(has_gpu: bool) -> Iterable[Problem]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """How it is tried whether a backend works here.

    Attributes:
        title: What is tried, where there is no answer by check.
        function: ``"module:function"``, called in a process of its own, since it may hang or crash; gives the
            problem, or ``None``, by the name of each check.
        checks: By kind of device, the check that has to be passed there.
        repair: The command that mends a check, by its name.
        problems: What is wrong though every check may be passed, given whether there is a GPU.
    """

    title: str
    function: str
    checks: Mapping[str, str]
    repair: Callable[[str], str]
    problems: Callable[[bool], Iterable[Problem]] = _none

    @property
    def needed(self) -> set[str]:
        """Names of what has to work, on one device or another."""
        return {self.title, *self.checks.values()}

    @property
    def needed_without_gpu(self) -> set[str]:
        """Names of what has to work on a machine without a GPU."""
        return {self.title, self.checks["cpu"]} if "cpu" in self.checks else set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One way of running a model.

    Attributes:
        name: What ``load_engine`` and ``--backend`` take.
        runs: What it runs, the kind that it prefers first.
        devices: Kinds of device that it computes on: ``"cpu"``, ``"cuda"``, ``"intel-gpu"``.
        engine: ``"module:class"``, imported when it is used, and made with ``(source, device=...,
            convert_colors=..., **options)``.
        packages: What it needs; of several one is enough, and the engine says which is missing.
        options: Further keyword arguments of the class.
        automatic: Whether "auto" may choose it for what it runs; or what decides that, given the source and
            the name of the device.
        hint: What makes an artefact for it of a bundle that holds none, with ``{source}`` for the source.
        probe: How it is tried whether it works; ``None`` where there is nothing that may not.
    """

    name: str
    runs: tuple[Kind, ...]
    devices: tuple[str, ...]
    engine: str
    packages: tuple[Package, ...] = ()
    options: tuple[Option, ...] = ()
    automatic: bool | Callable[[Source, str], bool] = True
    hint: str = ""
    probe: Probe | None = None

    @property
    def is_installed(self) -> bool:
        """Whether what it needs can be found, without importing it."""
        return not self.packages or any(package.is_installed for package in self.packages)

    @property
    def is_for_models(self) -> bool:
        """Whether it runs models that a user names, and not only what it brings under a name of its own."""
        return any(not kind.names for kind in self.runs)

    def takes(self, option: str) -> bool:
        """Whether it has an option of that name."""
        return any(each.name == option for each in self.options)

    def may_be_chosen(self, source: Source, device: str) -> bool:
        """Whether "auto" may choose it for a source that it runs."""
        return self.automatic if isinstance(self.automatic, bool) else self.automatic(source, device)

    def load(
        self, source: Source, *, device: str, convert_colors: bool, options: dict[str, Any]
    ) -> "FlowEngine":
        """Make the engine.

        Args:
            source: Of a kind that it runs.
            device: Name of a device.
            convert_colors: Take grey and RGBA frames too.
            options: Of ``options``.

        Raises:
            MissingPackageError: Its package is not installed.
            DinoFlowError: What its class raises.
        """
        if len(self.packages) == 1:
            package = self.packages[0]
            require(package.modules[0], self._purpose(source), extra=package.extra)
        module, name = self.engine.split(":")
        made: FlowEngine = getattr(import_module(module), name)(
            source, device=device, convert_colors=convert_colors, **options
        )
        return made

    def _purpose(self, source: Source) -> str:
        if not isinstance(source, PublishedModel):
            return f"the backend '{self.name}'"
        how = f"dinoflow-deploy inspect {source.name} says how to get its weights"
        return f"running {source.name}, the published model ({how}),"
