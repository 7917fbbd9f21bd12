"""Where what an export made goes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.manifest import Manifest
from dinoflow_deploy.export.draft import Draft
from dinoflow_deploy.export.report import ArtefactReport, Lines
from dinoflow_deploy.export.target import Maker

Differences = Callable[[Manifest], Iterator[str]]
"""What of a bundle, beside its artefacts, is not as wanted: one sentence each, from its manifest."""


class Output(ABC):
    """A place for one bundle: a folder, or a version of a model among others."""

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Where the bundle lies, once it is there."""

    @abstractmethod
    def check(self) -> None:
        """Refuse, before any work, what could not be written.

        Raises:
            InputError: Something is in the way.
        """

    @abstractmethod
    def found(self, makers: Sequence[Maker], others: Differences) -> Bundle | None:
        """The bundle that is there already and need not be made again.

        Args:
            makers: What would make its artefacts.
            others: What else it is to be.

        Raises:
            InputError: There is another one, which would have to be replaced.
        """

    @abstractmethod
    def new_folder(self) -> AbstractContextManager[Path]:
        """A temporary folder, which is put in place when the block succeeds, with a bundle in it.

        Raises:
            InputError: As ``check``, before the block and, since exports take minutes, after it.
        """

    def complete(self, draft: Draft) -> None:  # noqa: B027 - most need nothing
        """Add what belongs here to a draft that is verified, before its manifest is written."""

    @abstractmethod
    def lines(self, *, reused: bool) -> Lines:
        """What there is now, for a person."""

    @abstractmethod
    def next_command(self, artefacts: Sequence[ArtefactReport]) -> str:
        """The command to go on with, and what there is to say of it on further lines."""
