"""The two TensorRTs: the one for data-centre GPUs, and TensorRT-RTX for RTX cards.

They share parser, builder interface and strong typing; their plans are not interchangeable.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Final

from packaging.version import Version

from dinoflow_deploy.errors import EngineError, InputError
from dinoflow_deploy.system.optional import is_installed, require


@dataclass(frozen=True, slots=True)
class Flavour:
    """One of the TensorRTs.

    Attributes:
        name: What ``--flavour`` takes.
        title: Its name in sentences.
        modules: Python modules that may bring it, the first one preferred.
        builds_without_gpu: Whether plans can be built on a machine without a GPU.
    """

    name: str
    title: str
    modules: tuple[str, ...]
    builds_without_gpu: bool

    @property
    def plan_name(self) -> str:
        """Name of its plan in a bundle."""
        return f"{self.name}.plan"

    @property
    def is_installed(self) -> bool:
        """Whether one of its modules can be found, without importing it."""
        return any(is_installed(module) for module in self.modules)

    def load(self, purpose: str) -> ModuleType:
        """Import it.

        Args:
            purpose: What needs it, as the start of a sentence: ``"building a plan"``.

        Raises:
            MissingPackageError: It is not installed; the message holds the command that installs it.
            EngineError: It is installed and does not load.
        """
        found = next((module for module in self.modules if is_installed(module)), self.modules[0])
        try:
            return require(found, purpose)
        except (ImportError, OSError) as error:
            raise EngineError(
                f"{self.title} is installed and does not load: {error}. Run dinoflow-deploy doctor"
            ) from error


def release_of(module: ModuleType) -> tuple[int, ...]:
    """Major and minor version of a module, to compare; a candidate counts as the release that it is for."""
    return Version(module.__version__).release[:2]


TENSORRT: Final = Flavour("tensorrt", "TensorRT", ("tensorrt",), builds_without_gpu=False)
RTX: Final = Flavour(
    "rtx", "TensorRT-RTX", ("tensorrt_rtx", "tensorrt_rtx_bindings"), builds_without_gpu=True
)
FLAVOURS: Final = (TENSORRT, RTX)


def find_flavour(name: str) -> Flavour:
    """The flavour of that name.

    Raises:
        InputError: There is none.
    """
    for flavour in FLAVOURS:
        if flavour.name == name:
            return flavour
    known = ", ".join(flavour.name for flavour in FLAVOURS)
    raise InputError(f"the flavour '{name}' of TensorRT is not known: use {known}")
