"""The backends: the rows of those that there are, in the order in which "auto" prefers them."""

from importlib import import_module
from typing import Final

from dinoflow_deploy.engines.backend import Backend
from dinoflow_deploy.engines.kinds import Kind
from dinoflow_deploy.errors import InputError

_MODULES: Final = (
    "dinoflow_deploy.engines.tensorrt.backend",
    "dinoflow_deploy.engines.openvino.backend",
    "dinoflow_deploy.engines.onnxruntime.backend",
    "dinoflow_deploy.engines.pytorch.backend",
    "dinoflow_deploy.engines.onnxruntime.tensorrt_backend",
    "dinoflow_deploy.engines.opencv.backend",
    "dinoflow_deploy.engines.triton.backend",
    "dinoflow_deploy.engines.pytorch.torchvision_backend",
)
"""Each holds its row as ``BACKEND``; by name, since those of PyTorch lie in a room above this one."""

_registered: list[Backend] = []


def register_backend(backend: Backend) -> None:
    """Add a backend, behind those that there are; one of that name that was added before is replaced.

    Args:
        backend: Its row; what it names has to be importable in other processes.

    Raises:
        InputError: A backend of this package has that name.
    """
    if backend.name in (known.name for known in _own_backends()):
        raise InputError(f"there is a backend '{backend.name}' already: give yours another name")
    unregister_backend(backend.name)
    _registered.append(backend)


def unregister_backend(name: str) -> None:
    """Take back what ``register_backend`` added under a name."""
    _registered[:] = [known for known in _registered if known.name != name]


def registered_backends() -> tuple[Backend, ...]:
    """What ``register_backend`` added, which another process does not know."""
    return tuple(_registered)


def all_backends() -> tuple[Backend, ...]:
    """Every backend, in the order in which "auto" prefers them."""
    return (*_own_backends(), *_registered)


def find_backend(name: str) -> Backend:
    """The backend of that name.

    Raises:
        InputError: There is none.
    """
    for backend in all_backends():
        if backend.name == name:
            return backend
    names = ", ".join(backend.name for backend in all_backends())
    raise InputError(f"the backend '{name}' is not known: use auto, {names}")


def without_gpu_first() -> list[Backend]:
    """Every backend, those before that run on a machine without a GPU."""
    return sorted(all_backends(), key=lambda backend: "cpu" not in backend.devices)


def all_kinds() -> dict[str, Kind]:
    """What the backends run, by name."""
    return {kind.name: kind for backend in without_gpu_first() for kind in backend.runs}


def compared_by_name() -> dict[str, Kind]:
    """What others have made, to compare with: its kind, by the name that ``load_engine`` takes."""
    return {name: kind for kind in all_kinds().values() for name in kind.names}


def _own_backends() -> tuple[Backend, ...]:
    return tuple(import_module(module).BACKEND for module in _MODULES)
