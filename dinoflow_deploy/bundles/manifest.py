"""The manifest of a bundle: everything that it says about itself, as JSON.

The exporter writes manifests with these classes, and engines read them with the same ones. A manifest holds
no time and no path: the same model gives the same bytes.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from dinoflow_deploy.bundles.artefact import Artefact, ArtefactInfo
from dinoflow_deploy.bundles.input_range import STRIDE
from dinoflow_deploy.bundles.onnx_info import OnnxInfo
from dinoflow_deploy.bundles.version_1 import from_version_1
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.system.dataclass_reader import from_json

FORMAT: Final = "dinoflow-bundle"
FORMAT_VERSION: Final = 2
MANIFEST_NAME: Final = "manifest.json"
PRECISIONS: Final = ("fp32", "fp16", "bf16")

Info = TypeVar("Info", bound=ArtefactInfo)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model was exported.

    Attributes:
        name: Short name, for instance ``"nano"``.
        weights_sha256: SHA-256 of the weights, 64 hexadecimal digits.
        config: The model's configuration as JSON values.
    """

    name: str
    weights_sha256: str
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What the model expects of its input images.

    Attributes:
        channel_order: ``"RGB"``.
        range: Least and greatest value of the input.
        inside_model: Whether mean and deviation are applied by the model itself.
    """

    channel_order: str = "RGB"
    range: tuple[float, float] = (0.0, 1.0)
    inside_model: bool = True

    def __str__(self) -> str:
        low, high = self.range
        inside = ", normalised inside the model" if self.inside_model else ""
        return f"{self.channel_order}, {low:g} to {high:g}{inside}"


@dataclass(frozen=True, slots=True)
class FileInfo:
    """Length and SHA-256 of one file of the bundle."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "FileInfo":
        """Measure a file."""
        with path.open("rb") as file:
            return cls(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that a bundle says about itself.

    Attributes:
        model: Which model this is.
        precision: ``"fp32"``, ``"fp16"`` or ``"bf16"``: what the model computes in.
        artefacts: What runs it: the ONNX file, and what was made of it.
        files: The bundle's other files by name, with length and SHA-256; each artefact is one of them.
        stride: Height and width are multiples of this.
        normalisation: What the model expects of its input.
        format: ``"dinoflow-bundle"``.
        format_version: 2; bundles of version 1 are read as if they were written so.
    """

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    model: ModelInfo
    precision: str
    stride: int = STRIDE
    normalisation: Normalisation = Normalisation()
    artefacts: tuple[Artefact, ...]
    files: dict[str, FileInfo]

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise InputError(f"the precision '{self.precision}' is not one of {', '.join(PRECISIONS)}")
        if self.stride != STRIDE:
            raise InputError(f"a stride of {self.stride} is not supported: it must be {STRIDE}")
        if self.normalisation != Normalisation():
            raise InputError(
                f"the normalisation '{self.normalisation}' is not supported: it must be '{Normalisation()}'"
            )
        for name in self.files:
            if Path(name).name != name:
                raise InputError(
                    f"the file name '{name}' leaves the bundle: files lie directly in the folder"
                )
        names = [artefact.file for artefact in self.artefacts]
        for name in names:
            if name not in self.files:
                raise InputError(f"'artefacts' names {name}, which 'files' does not list")
            if names.count(name) > 1:
                raise InputError(f"'artefacts' names {name} twice")

    @property
    def onnx(self) -> OnnxInfo:
        """The ONNX file.

        Raises:
            FileFormatError: There is none.
        """
        found = self.all_of(OnnxInfo)
        if len(found) != 1:
            raise FileFormatError(f"'artefacts' lists {len(found)} ONNX files where 1 is due")
        return found[0]

    def all_of(self, info: type[Info]) -> tuple[Info, ...]:
        """The artefacts of a kind.

        Raises:
            FileFormatError: A detail of one is missing or wrong.
        """
        return tuple(info.of(artefact) for artefact in self.artefacts if artefact.kind == info.kind)

    def to_json(self) -> str:
        """The manifest as text, the same for the same content."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Read a manifest from its file.

        Raises:
            FileFormatError: See ``from_json``.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise FileFormatError(f"{path} is not UTF-8 text: {error}") from error
        return cls.from_json(text, path)

    @classmethod
    def from_json(cls, text: str, path: Path) -> "Manifest":
        """Read a manifest.

        Args:
            text: Content of the file.
            path: Its name for errors.

        Raises:
            FileFormatError: It is not JSON, not a manifest, of another version, or a key is missing or wrong.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FileFormatError(f"{path} is not JSON: {error}") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise FileFormatError(f"{path} is not the manifest of a bundle: \"format\" must be '{FORMAT}'")
        version = content.get("format_version")
        if version not in (1, FORMAT_VERSION):
            raise FileFormatError(
                f"{path} has format_version {version!r} and this release reads 1 to {FORMAT_VERSION}: "
                "export the model again, or install the release of dinoflow-deploy that wrote it"
            )
        try:
            manifest: Manifest = from_json(cls, from_version_1(content) if version == 1 else content, "")
            # Read now, so that a wrong detail is an error of the manifest.
            _ = manifest.onnx
            for info in ArtefactInfo.__subclasses__():
                manifest.all_of(info)
        except FileFormatError as error:
            raise FileFormatError(f"{path}: {error}") from error
        return manifest
