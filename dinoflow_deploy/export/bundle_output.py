"""The usual output: one bundle in a folder of its own."""

import shlex
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.export.bundle_folder import bundle_folder
from dinoflow_deploy.export.output import Differences, Output
from dinoflow_deploy.export.report import ArtefactReport, Lines
from dinoflow_deploy.export.reuse import may_be_reused, reuse
from dinoflow_deploy.export.target import Maker, OnnxFacts, TargetOptions


class BundleOutput(Output):
    """A folder that becomes the bundle; one that holds a bundle is reused, or replaced on request.

    Args:
        path: The folder.
        options: Of the target, which have no part in it.
        onnx: Likewise.
        overwrite: Whether a bundle that is there is replaced.
    """

    def __init__(
        self,
        path: Path,
        options: TargetOptions | None = None,
        onnx: OnnxFacts | None = None,
        *,
        overwrite: bool = False,
    ) -> None:
        self._path, self._overwrite = path, overwrite

    @property
    def folder(self) -> Path:
        """The folder."""
        return self._path

    def check(self) -> None:
        """As ``Output``."""
        may_be_reused(self._path, overwrite=self._overwrite)

    def found(self, makers: Sequence[Maker], others: Differences) -> Bundle | None:
        """As ``Output``."""
        if not may_be_reused(self._path, overwrite=self._overwrite):
            return None
        return reuse(self._path, makers, others)

    def new_folder(self) -> AbstractContextManager[Path]:
        """As ``Output``."""
        return bundle_folder(self._path, overwrite=self._overwrite)

    def lines(self, *, reused: bool) -> Lines:
        """The folder."""
        yield "bundle", f"{self._path}{', reused: it was there already' if reused else ''}"

    def next_command(self, artefacts: Sequence[ArtefactReport]) -> str:
        """What runs the last artefact."""
        return artefacts[-1].next_command(shlex.quote(str(self._path)))
