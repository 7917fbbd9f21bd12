"""Which engine computes the flow of all clips, and what tells its model from others."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.bundles.manifest import MANIFEST_NAME
from dinoflow_deploy.engines import FlowEngine, load_engine
from dinoflow_deploy.engines.backend import Backend, Source
from dinoflow_deploy.engines.loading import choose
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.models.published import PublishedModel

_PRECISION: Final = ("precision", "engine_precision")
"""What backends call the precision that they are to compute in, where it is a choice."""
_THREADS: Final = "intra_op_threads"


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What an engine is loaded from.

    Attributes:
        model: What ``load_engine`` takes.
        backend: ``"auto"`` or a name.
        device: ``"auto"`` or a name.
        precision: What it has to compute in; ``None`` for what it does by itself.
        options: Other options of the backend.
    """

    model: str
    backend: str = "auto"
    device: str = "auto"
    precision: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def load(self, threads: int | None = None) -> FlowEngine:
        """Load it.

        Args:
            threads: Threads that it may use on the CPU; ``None`` for as many as there are cores.

        Raises:
            InputError: It computes in another precision.
            DinoFlowError: It cannot be loaded.
        """
        row, _ = choose(self.model, self.backend, self.device)
        options = dict(self.options)
        options |= {name: self.precision for name in _PRECISION if self.precision and row.takes(name)}
        if threads is not None and row.takes(_THREADS):
            options[_THREADS] = threads
        engine = load_engine(self.model, self.backend, self.device, **options)
        found = engine.describe().precision
        if self.precision not in (None, found):
            engine.close()
            raise InputError(
                f"{self.model} computes in {found} with {row.name}, not {self.precision}: export it so "
                f"(dinoflow-deploy export --precision {self.precision}), or leave out --precision"
            )
        return engine

    def sha256(self) -> str:
        """SHA-256 that stands for the model: of a bundle that of its manifest, which has those of its files.

        Raises:
            DinoFlowError: There is no such model.
        """
        row, source = choose(self.model, self.backend, self.device)
        return _sha256(row, source)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256(row: Backend, source: Source) -> str:
    if isinstance(source, PublishedModel):
        return _of_texts(map(file_sha256, source.fetch()))
    if isinstance(source, Path):
        return file_sha256(source / MANIFEST_NAME if source.is_dir() else source)
    # What others have made is told by the version that brings it.
    return _of_texts([source, *_versions(name for each in row.packages for name in each.distributions)])


def _versions(distributions: Iterable[str]) -> Iterable[str]:
    for name in distributions:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue


def _of_texts(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
