"""A model repository of Triton Inference Server, to which a version is added while the others stay.

```
REPOSITORY/
    dinoflow/                 the front, which clients call
        config.pbtxt
        1/model.py            Triton's Python backend runs it
        1/about.json          what it has to know of the network
    dinoflow_network/         the network, which the front calls
        config.pbtxt
        1/                    a bundle: model.onnx or model.plan, manifest.json with the parity, LICENCES.md
```
"""

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dinoflow_deploy.atomic import atomic_file, atomic_folder, check_writable
from dinoflow_deploy.bundles.manifest import MANIFEST_NAME
from dinoflow_deploy.bundles.model_input import MODEL_INPUTS
from dinoflow_deploy.engines.triton.interface import ServedModel
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.export.triton.config import CONFIG_NAME, PLATFORMS, NetworkConfig, front_config
from dinoflow_deploy.system.locks import file_lock

ABOUT_NAME: Final = "about.json"
_FRONT: Final = Path(__file__).parent / "front" / "model.py"
# Triton takes every folder for a model, and no file.
_LOCK: Final = ".dinoflow-deploy.lock"


@dataclass(frozen=True, slots=True)
class Repository:
    """A model in a repository.

    Attributes:
        path: The repository, which need not be there.
        name: Of the model.
    """

    path: Path
    name: str

    @property
    def network(self) -> str:
        """Name of the network."""
        return f"{self.name}_network"

    def version_folder(self, number: int) -> Path:
        """The bundle of a version."""
        return self.path / self.network / str(number)

    def versions(self) -> list[int]:
        """Those that are whole, ascending."""
        front, network = (_numbers(self.path / each) for each in (self.name, self.network))
        return sorted(front & network)

    def is_whole(self, number: int) -> bool:
        """Whether a server finds what serves a version, beside its network: front and configurations."""
        configs = [self.path / name / CONFIG_NAME for name in (self.name, self.network)]
        front = self.path / self.name / str(number) / _FRONT.name
        return all(file.is_file() for file in (front, *configs))

    def served(self, number: int) -> ServedModel:
        """What a version's front knows.

        Raises:
            FileFormatError: It is not one of this package, or damaged.
        """
        path = self.path / self.name / str(number) / ABOUT_NAME
        try:
            return ServedModel.from_json(path.read_bytes(), str(path))
        except OSError as error:
            raise FileFormatError(f"{path} cannot be read: {error.strerror}") from error

    def check(self, config: NetworkConfig) -> None:
        """Refuse a version that could not be added.

        Args:
            config: Of its network.

        Raises:
            InputError: The repository is no folder, or a bundle; or holds another model of that name, or
                versions of this one that cannot share a configuration with it; or this user may not write
                there.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} exists and is not a folder: choose another repository")
        if (self.path / MANIFEST_NAME).exists():
            raise InputError(f"{self.path} is a bundle, not a model repository: choose another folder")
        for name in (self.name, self.network):
            if (self.path / name).exists() and not (self.path / name).is_dir():
                raise InputError(f"{self.path / name} is not a folder: give the model another --name")
            check_writable(self.path / name / "1")
        versions = self.versions()
        if versions:
            self._check_shared(versions[-1], config)
        else:
            self._check_unused(config)

    def add(self, bundle: Path, served: ServedModel, config: NetworkConfig) -> int:
        """Put a version behind the others.

        Args:
            bundle: Folder of its bundle.
            served: What its front has to know.
            config: Of its network.

        Returns:
            Its number.

        Raises:
            InputError: As ``check``, since exports take minutes; or the disk is full.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with file_lock(self.path / _LOCK), ExitStack() as undo:
            self.check(config)
            undo.callback(self._remove_if_empty)
            for name, text in self._configs(config).items():
                _configure(self.path / name / CONFIG_NAME, text, undo)
            number = 1 + max(_numbers(self.path / self.name) | _numbers(self.path / self.network), default=0)
            self._put(number, bundle, served, undo)
            undo.pop_all()
        return number

    def _configs(self, config: NetworkConfig) -> dict[str, str]:
        """The configurations by name of the model."""
        return {self.network: config.text(self.network), self.name: front_config(self.name)}

    def _put(self, number: int, bundle: Path, served: ServedModel, undo: ExitStack) -> None:
        front = self.path / self.name / str(number)
        with atomic_folder(front, overwrite=False) as made:
            shutil.copyfile(_FRONT, made / _FRONT.name)
            (made / ABOUT_NAME).write_text(served.to_json(), encoding="utf-8")
            # First, and beside the one before: a front that finds no network would be of no use.
            with atomic_folder(self.version_folder(number), overwrite=False) as network:
                undo.callback(_remove_unless, self.version_folder(number), front)
                for file in bundle.iterdir():
                    shutil.copyfile(file, network / file.name)

    def _check_shared(self, newest: int, config: NetworkConfig) -> None:
        try:
            served = self.served(newest)
            found = NetworkConfig(PLATFORMS[served.artefact], served.inputs, MODEL_INPUTS[served.model_input])
        except (FileFormatError, KeyError) as error:
            raise self._other_model(str(error)) from error
        if not found.shares_with(config):
            raise InputError(
                f"{self.path} holds {self.name} in version {newest} for {found}, and a version for {config} "
                "cannot share its configuration: give it another --name, or choose another repository"
            )

    def _check_unused(self, config: NetworkConfig) -> None:
        """Refuse to write between files of others; what an export left that was killed is no hindrance."""
        for name, text in self._configs(config).items():
            folder, file = self.path / name, self.path / name / CONFIG_NAME
            if file.is_file() and file.read_bytes() != text.encode():
                raise self._other_model(f"{file} is not what would be written")
            if _numbers(folder) and not file.is_file():
                raise self._other_model(f"{folder} has no {CONFIG_NAME}")

    def _other_model(self, reason: str) -> InputError:
        return InputError(
            f"{self.path} holds another model called {self.name} or {self.network} ({reason}): give this one "
            "another --name, or choose another repository"
        )

    def _remove_if_empty(self) -> None:
        for folder in (self.path / self.name, self.path / self.network):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _configure(path: Path, text: str, undo: ExitStack) -> None:
    """Write a configuration; one that is there fits, and may hold changes of the user's."""
    if path.exists():
        return
    with atomic_file(path, overwrite=False) as partial:
        partial.write_text(text, encoding="utf-8")
    undo.callback(path.unlink)


def _remove_unless(made: Path, other: Path) -> None:
    """Remove a folder whose fellow was not made."""
    if not other.exists():
        shutil.rmtree(made, ignore_errors=True)


def _numbers(folder: Path) -> set[int]:
    """The versions in the folder of a model: Triton ignores every other name."""
    if not folder.is_dir():
        return set()
    names = (path.name for path in folder.iterdir() if path.is_dir())
    return {int(name) for name in names if name.isdecimal() and not name.startswith("0")}
