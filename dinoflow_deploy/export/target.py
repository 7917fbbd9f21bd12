"""What an export ends with: one row for each target, and what its module does."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from threading import Event
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

if TYPE_CHECKING:
    from pathlib import Path

    from dinoflow_deploy.bundles.artefact import ArtefactInfo
    from dinoflow_deploy.bundles.bundle import Bundle
    from dinoflow_deploy.bundles.input_range import InputRange
    from dinoflow_deploy.bundles.manifest import Manifest
    from dinoflow_deploy.export.draft import Draft
    from dinoflow_deploy.export.output import Output
    from dinoflow_deploy.export.report import ArtefactReport
    from dinoflow_deploy.export.shapes import RequestedShapes
    from dinoflow_deploy.progress import Progress


@dataclass(frozen=True, slots=True)
class SharedOptions:
    """Options of the command line that are not one target's own.

    Attributes:
        inputs: Shapes that the ONNX file is to take.
        shapes: What was asked of shapes, axis by axis.
        verify: Whether flow is compared with the reference.
        overwrite: Whether to replace what is there.
    """

    inputs: "InputRange"
    shapes: "RequestedShapes"
    verify: bool
    overwrite: bool


class TargetOptions(Protocol):
    """What a target is asked for: a frozen dataclass with fields made by ``option`` and ``setting``."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def from_command(cls, shared: SharedOptions, own: dict[str, Any]) -> Self:
        """From the command line.

        Args:
            shared: Options of all targets.
            own: Those of this one, by the name of their field.

        Raises:
            InputError: A value is refused.
        """
        ...


@dataclass(frozen=True, slots=True)
class OnnxFacts:
    """What is known of the ONNX file that a target starts from, which may not be there yet.

    Attributes:
        inputs: Shapes that it takes.
        precision: What it computes in.
        inline: Whether the local correlation stands in it as standard operators.
        is_reference: Whether it is what the artefact is compared with, and not PyTorch.
        model_input: How it takes a pair, see ``bundles.model_input``.
        source: What the bundle that it is taken from says of itself; ``None`` where it is exported now.
    """

    inputs: "InputRange"
    precision: str
    inline: bool
    is_reference: bool
    model_input: str = "images"
    source: "Manifest | None" = None


class Maker(ABC):
    """Makes one artefact of a bundle. Whatever can be refused beforehand was refused when it was prepared."""

    info: "ClassVar[type[ArtefactInfo]]"
    """What a manifest says of such an artefact."""

    @property
    @abstractmethod
    def file(self) -> str:
        """Name of the artefact's file."""

    @abstractmethod
    def make(self, draft: "Draft", progress: "Progress", cancel: Event) -> "ArtefactReport":
        """Make the artefact, enter it in the draft, and compare its flow with the reference.

        Args:
            draft: The bundle, which holds an ONNX file.
            progress: Told of each stage.
            cancel: Ends the work soon after it is set.

        Raises:
            ExportError: It cannot be made, or its flow is not the reference's.
            BuildCancelledError: ``cancel`` was set.
        """

    @abstractmethod
    def differences(self, found: "Manifest") -> Iterator[str]:
        """How a bundle's artefact differs from the one that would be made, one sentence each."""

    @abstractmethod
    def reused(self, bundle: "Bundle") -> "ArtefactReport":
        """The report of an artefact that was there already, and does not differ."""

    def found(self, manifest: "Manifest") -> Any:
        """What a manifest says of the artefact, as ``info`` has it; ``None`` where it lists none."""
        return next((each for each in manifest.all_of(self.info) if each.file == self.file), None)


@dataclass(frozen=True, slots=True)
class Target:
    """One target.

    Attributes:
        name: What ``--target`` takes.
        help: What it is, for ``--help``.
        title: What it makes, in a sentence.
        options: Its options.
        panel: Under which heading ``--help`` lists them.
        prepare: ``"module:function"``, called with the options and ``OnnxFacts``: refuses what can be refused
            and gives the ``Maker``. Imported when it is used. Empty where there is nothing to make beside the
            ONNX file, which is always made.
        batch: What the ONNX file's batch is where ``--batch`` is not given.
        output: ``"module:class"`` of the ``export.output.Output`` that what was made goes to; most often a
            bundle.
    """

    name: str
    help: str
    title: str
    options: type[TargetOptions]
    panel: str | None = None
    prepare: str = ""
    batch: str = "dynamic"
    output: str = "dinoflow_deploy.export.bundle_output:BundleOutput"

    def makers(self, options: TargetOptions, onnx: OnnxFacts) -> list[Maker]:
        """Refuse what can be refused, and give what makes the artefact, if there is one beside the ONNX file.

        Raises:
            InputError, MissingPackageError, DeviceError, EngineError, ExportError: The target cannot be had.
        """
        return [_named(self.prepare)(options, onnx)] if self.prepare else []

    def output_at(
        self, path: "Path", options: TargetOptions, onnx: OnnxFacts, *, overwrite: bool
    ) -> "Output":
        """Refuse what could not be written, and give the place for what is made.

        Args:
            path: What ``--output`` names.
            options: Of this target.
            onnx: What is known of the ONNX file.
            overwrite: Whether to replace what is there.

        Raises:
            InputError: Something is in the way.
        """
        output: Output = _named(self.output)(path, options, onnx, overwrite=overwrite)
        output.check()
        return output


def _named(name: str) -> Any:
    """What ``"module:name"`` names."""
    module, _, member = name.partition(":")
    return getattr(import_module(module), member)
