"""Export a model to a bundle on disk, verified, whole or not at all."""

import copy
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import onnx

import dinoflow_deploy
from dinoflow_deploy.atomic import atomic_folder
from dinoflow_deploy.engines.bundle import (
    MANIFEST_NAME,
    ONNX_NAME,
    FileInfo,
    Manifest,
    ModelInfo,
    OperatorInfo,
)
from dinoflow_deploy.engines.loading import load_engine
from dinoflow_deploy.engines.pytorch import PyTorchEngine
from dinoflow_deploy.export.emulation import emulate_bfloat16
from dinoflow_deploy.export.onnx_model import export_onnx
from dinoflow_deploy.export.options import ExportOptions
from dinoflow_deploy.export.parity import ParityRow, verify
from dinoflow_deploy.export.source import ModelSource
from dinoflow_deploy.optional import require
from dinoflow_deploy.progress import NoProgress, Progress
from dinoflow_deploy.train.model import FlowModel, save_model

_TOOLS: Final = ("torch", "onnx", "onnxscript", "onnx-ir")


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export made.

    Attributes:
        folder: The bundle.
        manifest: What it says about itself.
        nodes: Number of nodes in its graph.
        parity: Difference to PyTorch at each shape that was compared; empty without verification.
    """

    folder: Path
    manifest: Manifest
    nodes: int
    parity: tuple[ParityRow, ...]


def export_bundle(
    model: FlowModel | ModelSource | str | Path,
    output: str | Path,
    options: ExportOptions | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Export a model to a bundle: ``model.onnx`` and ``manifest.json`` in a folder.

    The folder appears when everything is done, verification included; a failed or interrupted export leaves
    nothing at ``output``.

    Args:
        model: A model in memory, or what names one: see ``ModelSource``.
        output: Folder to create.
        options: What to export it as; by default float32 with dynamic shapes.
        progress: Told of each stage.

    Raises:
        InputError: ``output`` exists and is not to be replaced, or there is no such model.
        ModelError: The model's weights cannot be had.
        ExportError: torch cannot trace the model, or the exported flow is not PyTorch's.
        MissingPackageError: ONNX Runtime, which verifies, is not installed.
    """
    options, progress = options or ExportOptions(), progress or NoProgress()
    if options.verify:
        require("onnxruntime", "verifying an export (--no-verify leaves it out)")
    with atomic_folder(Path(output), overwrite=options.overwrite) as folder:
        source = _loaded(model)
        progress.note(f"exporting {source.config.backbone}: {options.precision}, {options.inputs}")
        nodes = _write_onnx(source, folder, options, progress)
        manifest = _manifest(source, folder, options)
        _write_manifest(manifest, folder)
        rows: list[ParityRow] = []
        if options.verify:
            manifest, rows = _verified(manifest, source, folder, options, progress)
            _write_manifest(manifest, folder)
    return ExportReport(Path(output), manifest, nodes, tuple(rows))


def _loaded(model: FlowModel | ModelSource | str | Path) -> FlowModel:
    if isinstance(model, FlowModel):
        return model
    return (model if isinstance(model, ModelSource) else ModelSource(str(model))).load()


def _write_onnx(model: FlowModel, folder: Path, options: ExportOptions, progress: Progress) -> int:
    progress.start("tracing the model", None, "graphs")
    exported = export_onnx(model, options)
    (folder / ONNX_NAME).write_bytes(exported.SerializeToString(deterministic=True))
    progress.advance()
    progress.finish()
    return len(exported.graph.node)


def _manifest(model: FlowModel, folder: Path, options: ExportOptions) -> Manifest:
    head = model.config.head_config
    return Manifest(
        model=ModelInfo(model.config.backbone, _weights_sha256(model), model.config.to_dict()),
        precision=options.precision,
        inputs=options.inputs,
        operator=OperatorInfo(radius=head.radius, inline=options.plain),
        opset=options.opset,
        tools={"dinoflow-deploy": dinoflow_deploy.__version__} | {name: version(name) for name in _TOOLS},
        parity=None,
        files={ONNX_NAME: FileInfo.of(folder / ONNX_NAME)},
    )


def _weights_sha256(model: FlowModel) -> str:
    """SHA-256 of the model as ``save_model`` writes it: of its own file, where it comes from one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_model(model, path)
        return FileInfo.of(path).sha256


def _write_manifest(manifest: Manifest, folder: Path) -> None:
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")


@contextmanager
def _runnable(folder: Path, precision: str) -> Iterator[Path]:
    """What ONNX Runtime's CPU provider runs: the bundle, or its emulation where it has no such type."""
    if precision != "bf16":
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / ONNX_NAME
        onnx.save(emulate_bfloat16(onnx.load(folder / ONNX_NAME)), path)
        yield path


def _verified(
    manifest: Manifest, model: FlowModel, folder: Path, options: ExportOptions, progress: Progress
) -> tuple[Manifest, list[ParityRow]]:
    # A copy, since an engine moves its model about and the caller's must stay as it is.
    reference = PyTorchEngine(copy.deepcopy(model), device="cpu")
    with _runnable(folder, options.precision) as path, load_engine(path, "onnxruntime", "cpu") as engine:
        parity, rows = verify(engine, reference, options.precision, progress)
    reference.close()
    if options.precision == "bf16":
        parity = replace(parity, engine=f"{parity.engine}, bfloat16 emulated")
    tools = manifest.tools | {"onnxruntime": version("onnxruntime")}
    return replace(manifest, parity=parity, tools=tools), rows
