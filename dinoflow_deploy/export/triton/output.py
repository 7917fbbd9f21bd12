"""Where the target Triton puts what was made: a version of a model in a repository."""

import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.manifest import FileInfo, Manifest
from dinoflow_deploy.bundles.model_input import MODEL_INPUTS
from dinoflow_deploy.bundles.onnx_info import OnnxInfo
from dinoflow_deploy.engines.triton.interface import ServedModel
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.export.draft import Draft
from dinoflow_deploy.export.output import Differences, Output
from dinoflow_deploy.export.report import ArtefactReport, Lines
from dinoflow_deploy.export.shapes import ANY_SHAPES
from dinoflow_deploy.export.target import Maker, OnnxFacts
from dinoflow_deploy.export.triton.config import PLATFORMS, NetworkConfig
from dinoflow_deploy.export.triton.licences import LICENCES_NAME, licences
from dinoflow_deploy.export.triton.options import TritonOptions
from dinoflow_deploy.export.triton.repository import Repository
from dinoflow_deploy.tensorrt.flavours import TENSORRT
from dinoflow_deploy.tensorrt.plan_info import PlanInfo


class RepositoryOutput(Output):
    """A new version of a model in a repository of Triton's; nothing that is there is replaced.

    Args:
        path: The repository.
        options: Name of the model, and what the server runs.
        onnx: Where the ONNX file comes from.
        overwrite: Refused: versions are added.

    Raises:
        InputError: What is asked for cannot be served.
    """

    def __init__(self, path: Path, options: TritonOptions, onnx: OnnxFacts, *, overwrite: bool) -> None:
        if overwrite:
            raise InputError(
                f"--overwrite replaces a bundle, and a version is added to the model repository {path} while "
                "others stay: leave it out, and remove the folders of versions that are not needed"
            )
        self._repository = Repository(path, options.name)
        self._plan = _plan(options, onnx)
        inputs = self._plan.inputs if self._plan else onnx.inputs
        kind = PlanInfo.kind if self._plan else OnnxInfo.kind
        self._config = NetworkConfig(PLATFORMS[kind], inputs, MODEL_INPUTS[onnx.model_input], self._plan)
        self._kind, self._source = kind, onnx.source
        self._number = 0

    @property
    def folder(self) -> Path:
        """The bundle of the version."""
        return self._repository.version_folder(self._number)

    def check(self) -> None:
        """As ``Output``."""
        self._repository.check(self._config)

    def found(self, makers: Sequence[Maker], others: Differences) -> Bundle | None:
        """The newest version, if it is what would be made; else there will be one more."""
        versions = self._repository.versions()
        if not versions or not self._repository.is_whole(versions[-1]):
            return None
        try:
            newest = Bundle.open(self._repository.version_folder(versions[-1]))
        except FileFormatError:
            return None
        manifest = newest.manifest
        if any(others(manifest)) or any(any(maker.differences(manifest)) for maker in makers):
            return None
        if self._plan and self._source and _served_file(manifest) != self._source.files[self._plan.file]:
            return None
        self._number = versions[-1]
        return newest

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """As ``Output``; not in the repository, where a server takes every folder for a model."""
        with tempfile.TemporaryDirectory(prefix="dinoflow-triton-") as folder:
            yield Path(folder)
            bundle = Bundle.open(Path(folder))
            self._number = self._repository.add(bundle.folder, self._served(bundle.manifest), self._config)

    def complete(self, draft: Draft) -> None:
        """The plan under Triton's name for it, and the licences."""
        if self._plan:
            draft.rename_file(self._plan.file, self._config.platform.file)
        draft.write(LICENCES_NAME, licences(draft.model).encode())

    def lines(self, *, reused: bool) -> Lines:
        """The version, and what runs it."""
        repository = self._repository
        others = [str(number) for number in repository.versions() if number != self._number]
        beside = f", beside {', '.join(others)}" if others else ""
        state = ", reused: it was there already" if reused else ""
        yield "triton", f"{repository.path}: {repository.name} version {self._number}{beside}{state}"
        yield "", f"network {repository.network}: {self._config}"
        if self._plan:
            where = f"compute capability {', '.join(self._plan.compute_capabilities)}"
            yield "", f"runs where the server has TensorRT {self._plan.version}, on {where}"

    def next_command(self, artefacts: Sequence[ArtefactReport]) -> str:
        """Serve it, and measure what is served."""
        repository = self._repository
        return (
            f"tritonserver --model-repository {shlex.quote(str(repository.path.resolve()))}\n"
            f"dinoflow-deploy bench --model grpc://localhost:8001/{repository.name}"
        )

    def _served(self, manifest: Manifest) -> ServedModel:
        return ServedModel(
            network=self._repository.network,
            artefact=self._kind,
            inputs=self._config.inputs,
            model_input=self._config.model_input.name,
            model=manifest.model.name,
            precision=manifest.precision,
            weights_sha256=manifest.model.weights_sha256,
        )


def _plan(options: TritonOptions, onnx: OnnxFacts) -> PlanInfo | None:
    """The plan that the server is to run; ``None`` where it is the ONNX file.

    Raises:
        InputError: There is none, or the ONNX file cannot be served.
    """
    plans = onnx.source.all_of(PlanInfo) if onnx.source else ()
    found = next((plan for plan in plans if plan.flavour == TENSORRT.name), None)
    if onnx.source and (options.shapes != ANY_SHAPES or not options.verify):
        raise InputError(
            "a bundle is served as it is, with its shapes and its parity: leave out what is said of sizes, "
            "batches and --no-verify"
        )
    if options.network != "onnx" and found:
        return found
    if options.network == "plan":
        raise InputError(
            "there is no TensorRT plan to serve: make a bundle with --target tensorrt, and give its folder"
        )
    if onnx.precision == "bf16":
        raise InputError(
            "ONNX Runtime has no bfloat16 convolution, so that a server could not run the ONNX file: export "
            "fp32 or fp16, or make a bundle with --target tensorrt and name it with --model"
        )
    return None


def _served_file(manifest: Manifest) -> FileInfo | None:
    """The plan of a version; ``None`` where it serves none."""
    return manifest.files.get(PLATFORMS[PlanInfo.kind].file)
