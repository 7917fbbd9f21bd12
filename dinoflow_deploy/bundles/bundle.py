"""The bundle: a folder with an exported model and a manifest that describes it.

```
bundle/
    manifest.json    what this page's Manifest says
    model.onnx       one file for every runtime
    tensorrt.plan    a TensorRT engine of it, where one was built; rtx.plan for TensorRT-RTX
```

The exporter writes bundles with these classes, and engines read them with the same ones. A manifest holds no
time and no path: the same model gives the same bytes.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.bundles.input_range import STRIDE, InputRange
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.system.dataclass_reader import from_json

FORMAT: Final = "dinoflow-bundle"
FORMAT_VERSION: Final = 1
MANIFEST_NAME: Final = "manifest.json"
ONNX_NAME: Final = "model.onnx"
PRECISIONS: Final = ("fp32", "fp16", "bf16")


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


@dataclass(frozen=True, slots=True)
class OperatorInfo:
    """The local correlation in the graph.

    Attributes:
        radius: Largest displacement of the cost volume, in cells of 16 pixels.
        inline: Whether its body stands in the graph itself, in place of one node that calls a function.
        domain: ONNX domain of the node.
        name: Operator name of the node.
        plugin_namespace: Namespace in which TensorRT looks for a plugin.
        plugin_version: Version of that plugin.
    """

    radius: int
    inline: bool
    domain: str = "dinoflow"
    name: str = "LocalCorrelation"
    plugin_namespace: str = "dinoflow"
    plugin_version: str = "1"


@dataclass(frozen=True, slots=True)
class Parity:
    """How far the exported model's flow is from PyTorch's: end-point difference in pixels.

    Attributes:
        reference: What it was compared with, for instance ``"PyTorch fp32 on cpu"``.
        engine: What ran the export, for instance ``"onnxruntime CPUExecutionProvider"``.
        pairs: Number of frame pairs.
        tolerance_px: The limit of the largest difference that the export had to keep.
        mean_px: Mean over all pixels.
        p99_px: 99th percentile.
        max_px: Largest difference.
        flow_px: Mean length of the reference's flow; this and the next two are ``None`` in a manifest
            that was written before they were measured.
        relative: Mean difference over mean length of the flow, at the shape where that is largest.
        relative_tolerance: The limit of that.
    """

    reference: str
    engine: str
    pairs: int
    tolerance_px: float
    mean_px: float
    p99_px: float
    max_px: float
    flow_px: float | None = None
    relative: float | None = None
    relative_tolerance: float | None = None


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
class PlanInfo:
    """A TensorRT engine in the bundle, and what it was built with.

    Attributes:
        file: Its name in the bundle, for instance ``"tensorrt.plan"``.
        flavour: ``"tensorrt"`` or ``"rtx"``.
        version: Version of the builder, which alone can run it.
        compute_capabilities: What it runs on, for instance ``("9.0",)``.
        gpu: Name of the GPU that it was built on; ``None`` where there was none.
        driver: Version of the driver there.
        inputs: Shapes that it takes.
        plugin: What computes the local correlation: ``"cpp"``, ``"aot"``, or ``"none"`` for its own body.
        hardware_compatibility: ``"none"``, ``"same-cc"`` or ``"ampere-plus"``.
        optimization_level: 0 to 5.
        key: SHA-256 over everything that decides what is built: the same key gives the same plan.
        parity: Difference to the reference; ``None`` if the plan was not run.
    """

    file: str
    flavour: str
    version: str
    compute_capabilities: tuple[str, ...]
    gpu: str | None
    driver: str | None
    inputs: InputRange
    plugin: str
    hardware_compatibility: str
    optimization_level: int
    key: str
    parity: Parity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that a bundle says about itself.

    Attributes:
        model: Which model this is.
        precision: ``"fp32"``, ``"fp16"`` or ``"bf16"``.
        inputs: Shapes that it takes; min, opt and max are equal where the export was static.
        operator: The local correlation in its graph.
        opset: ONNX opset.
        tools: Version of each package that took part, by name.
        parity: Difference to PyTorch; ``None`` if the export was not verified.
        files: The bundle's other files by name.
        plans: TensorRT engines among them, at most one of each flavour.
        key: SHA-256 over everything that decides the ONNX file: an export with the same key need not be done
            again. ``None`` in bundles of before there were keys.
        stride: Height and width are multiples of this.
        normalisation: What the model expects of its input.
        format: ``"dinoflow-bundle"``.
        format_version: 1.
    """

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    model: ModelInfo
    precision: str
    inputs: InputRange
    stride: int = STRIDE
    normalisation: Normalisation = Normalisation()
    operator: OperatorInfo
    opset: int
    tools: dict[str, str]
    parity: Parity | None
    files: dict[str, FileInfo]
    plans: tuple[PlanInfo, ...] = ()
    key: str | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise InputError(f"the precision '{self.precision}' is not one of {', '.join(PRECISIONS)}")
        if self.stride != STRIDE:
            raise InputError(f"a stride of {self.stride} is not supported: it must be {STRIDE}")
        for name in self.files:
            if Path(name).name != name:
                raise InputError(
                    f"the file name '{name}' leaves the bundle: files lie directly in the folder"
                )
        for plan in self.plans:
            if plan.file not in self.files or plan.file == ONNX_NAME:
                raise InputError(f"'plans' names {plan.file}, which 'files' does not list as a plan")

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
        if version != FORMAT_VERSION:
            raise FileFormatError(
                f"{path} has format_version {version!r} and this release reads {FORMAT_VERSION}: "
                "export the model again, or install the release of dinoflow-deploy that wrote it"
            )
        try:
            manifest: Manifest = from_json(cls, content, "")
        except FileFormatError as error:
            raise FileFormatError(f"{path}: {error}") from error
        return manifest


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk whose files are all there and unchanged.

    Attributes:
        folder: Where it lies.
        manifest: What it says about itself.
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> "Bundle":
        """Read the manifest and check every file against it.

        Raises:
            FileFormatError: The folder is not a bundle, or files are missing or not the exported ones.
        """
        path = folder / MANIFEST_NAME
        if not path.is_file():
            raise FileFormatError(f"{folder} is not a bundle: it holds no {MANIFEST_NAME}{_run_hint(folder)}")
        manifest = Manifest.read(path)
        if ONNX_NAME not in manifest.files:
            raise FileFormatError(f"{path}: 'files' does not list {ONNX_NAME}")
        problems = [problem_with(folder / name, recorded) for name, recorded in manifest.files.items()]
        if found := [problem for problem in problems if problem]:
            raise FileFormatError("\n".join(found))
        return cls(folder, manifest)

    @property
    def onnx_path(self) -> Path:
        """The ONNX file."""
        return self.folder / ONNX_NAME


def _run_hint(folder: Path) -> str:
    """For the folder of a training run: its model."""
    best = folder / "best.safetensors"
    return f". Of a training run, give its model, {best}" if best.is_file() else ""


def problem_with(path: Path, recorded: FileInfo) -> str | None:
    """Why a file is not the one that a manifest lists; ``None`` where it is."""
    if not path.is_file():
        return f"{path} is missing from its bundle: copy the whole folder, or export again"
    found = FileInfo.of(path)
    if found == recorded:
        return None
    return (
        f"{path} is not the file that was exported: {found.bytes} bytes with SHA-256 {found.sha256[:12]} "
        f"where the manifest says {recorded.bytes} and {recorded.sha256[:12]}: copy it or export again"
    )
