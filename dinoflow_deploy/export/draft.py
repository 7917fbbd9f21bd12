"""A bundle that is being made: files are hashed as they are written, the manifest is written at the end."""

import hashlib
import shutil
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.bundles.artefact import Artefact, ArtefactInfo
from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.manifest import MANIFEST_NAME, FileInfo, Manifest, ModelInfo
from dinoflow_deploy.engines.base import FlowEngine

Reference = Callable[[], AbstractContextManager[FlowEngine]]
"""Gives the engine that artefacts are compared with."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Frame pairs of one shape, and what the reference computes of them.

    Attributes:
        frames1: ``uint8 [B, H, W, 3]``.
        frames2: Likewise.
        flow: ``float64 [B, H, W, 2]``, px.
    """

    frames1: NDArray[np.uint8]
    frames2: NDArray[np.uint8]
    flow: NDArray[np.float64]


@dataclass(slots=True)
class Draft:
    """A bundle in a folder that nobody else sees yet.

    Attributes:
        folder: The folder.
        model: Which model it holds.
        precision: What that computes in.
        reference: What its artefacts are compared with; ``None``: its own ONNX file on the CPU.
        artefacts: Those that are there, by the name of their file.
        files: Length and SHA-256 of each file.
        expected: By batch, height and width, what its artefacts were compared with until now.
    """

    folder: Path
    model: ModelInfo
    precision: str
    reference: Reference | None = None
    artefacts: dict[str, Artefact] = field(default_factory=dict)
    files: dict[str, FileInfo] = field(default_factory=dict)
    expected: dict[tuple[int, int, int], Expected] = field(default_factory=dict)

    @classmethod
    def copy_of(cls, bundle: Bundle, folder: Path, *, without: Iterable[str]) -> "Draft":
        """A draft that begins with the files of a bundle.

        Args:
            bundle: Opened, so that its files are known to be whole.
            folder: Of the draft.
            without: Names of files that will be made anew.
        """
        left_out = set(without)
        kept = {name: file for name, file in bundle.manifest.files.items() if name not in left_out}
        for name in kept:
            shutil.copyfile(bundle.folder / name, folder / name)
        artefacts = {each.file: each for each in bundle.manifest.artefacts if each.file in kept}
        manifest = bundle.manifest
        return cls(folder, manifest.model, manifest.precision, artefacts=artefacts, files=kept)

    def write(self, name: str, content: Any) -> FileInfo:
        """Write a file and hash it.

        Args:
            name: Of the file.
            content: Anything that has bytes.
        """
        view = memoryview(content)
        with (self.folder / name).open("wb") as file:
            file.write(view)
        self.files[name] = FileInfo(view.nbytes, hashlib.sha256(view).hexdigest())
        return self.files[name]

    def rename_file(self, old: str, new: str) -> None:
        """Give a file, which may be an artefact, another name."""
        (self.folder / old).rename(self.folder / new)
        self.files[new] = self.files.pop(old)
        if artefact := self.artefacts.pop(old, None):
            self.artefacts[new] = replace(artefact, file=new)

    def put(self, info: ArtefactInfo) -> None:
        """Enter an artefact, or what is now known of it."""
        self.artefacts[info.file] = info.artefact()

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself so far."""
        return Manifest(
            model=self.model,
            precision=self.precision,
            artefacts=tuple(self.artefacts.values()),
            files=dict(self.files),
        )

    @property
    def bundle(self) -> Bundle:
        """The draft as a bundle that engines run."""
        return Bundle(self.folder, self.manifest)

    def finish(self) -> Manifest:
        """Write the manifest, which makes the folder a bundle."""
        manifest = self.manifest
        (self.folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
        return manifest
