"""Export a model to a bundle on disk, verified, whole or not at all."""

import copy
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Final

import onnx

import dinoflow_deploy
from dinoflow_deploy.bundles.bundle import ONNX_NAME, Bundle, FileInfo, Manifest, ModelInfo, OperatorInfo
from dinoflow_deploy.engines.pytorch import PyTorchEngine
from dinoflow_deploy.export.bundle_folder import bundle_folder, check_bundle_folder
from dinoflow_deploy.export.cpu_engine import EMULATED, cpu_engine
from dinoflow_deploy.export.graph.onnx_model import export_onnx
from dinoflow_deploy.export.key import VERIFIER, with_key
from dinoflow_deploy.export.manifests import write_manifest
from dinoflow_deploy.export.options import ExportOptions
from dinoflow_deploy.export.parity import ParityRow, verify
from dinoflow_deploy.export.reuse import export_differences, may_be_reused, reuse
from dinoflow_deploy.export.source import ModelSource
from dinoflow_deploy.export.tensorrt.build import build_plan
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.export.tensorrt.preparation import Preparation, prepare
from dinoflow_deploy.export.tensorrt.report import PlanReport
from dinoflow_deploy.export.tensorrt.reuse import plan_differences, reused_report
from dinoflow_deploy.progress import NoProgress, Progress
from dinoflow_deploy.system.optional import require
from dinoflow_deploy.train.model import FlowModel, save_model

_TOOLS: Final = ("torch", "onnx", "onnxscript", "onnx-ir")


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export made.

    Attributes:
        folder: The bundle.
        manifest: What it says about itself.
        nodes: Number of nodes in its graph.
        parity: Difference to PyTorch at each shape that was compared; empty without verification, and where a
            bundle that was there already is reused.
        plan: The TensorRT plan in it, where one was asked for.
        reused: Whether the bundle was there already, the same in everything, and was left as it is.
    """

    folder: Path
    manifest: Manifest
    nodes: int
    parity: tuple[ParityRow, ...]
    plan: PlanReport | None = None
    reused: bool = False


def export_bundle(
    model: FlowModel | ModelSource | str | Path,
    output: str | Path,
    options: ExportOptions | None = None,
    progress: Progress | None = None,
    plan: PlanOptions | None = None,
    cancel: Event | None = None,
) -> ExportReport:
    """Export a model to a bundle: ``model.onnx``, ``manifest.json`` and perhaps a TensorRT plan in a folder.

    The folder appears when everything is done, verification included; a failed or interrupted export leaves
    nothing at ``output``. Where the folder is there already, made from the same weights and settings by the
    same tools, it is left as it is and reported as reused.

    Args:
        model: A model in memory, or what names one: see ``ModelSource``.
        output: Folder to create.
        options: What to export it as; by default float32 with dynamic shapes.
        progress: Told of each stage.
        plan: TensorRT plan to build too.
        cancel: Ends the building of the plan soon after it is set.

    Raises:
        InputError: ``output`` exists and is not to be replaced, or holds more than a bundle; or there is no
            such model.
        ModelError: The model's weights cannot be had.
        ExportError: The model cannot be traced, TensorRT cannot build it, or the exported flow is not
            PyTorch's.
        DeviceError: The plan needs a GPU and there is none.
        MissingPackageError: ONNX Runtime, which verifies, or TensorRT is not installed.
    """
    output, options, progress = Path(output), options or ExportOptions(), progress or NoProgress()
    if options.verify:
        require("onnxruntime", "verifying an export (--no-verify leaves it out)")
    reusable = may_be_reused(output, overwrite=options.overwrite)
    if not reusable:
        check_bundle_folder(output, overwrite=options.overwrite)
    prepared = prepare(plan, options.inputs, inline=options.plain) if plan else None
    source = _loaded(model, progress)
    if reusable:
        return _reused(source, output, options, prepared)
    with bundle_folder(output, overwrite=options.overwrite) as folder:
        progress.note(f"exporting {source.config.backbone}: {options.precision}, {options.inputs}")
        nodes = _write_onnx(source, folder, options, progress)
        manifest = _manifest(source, options)
        manifest = replace(manifest, files={ONNX_NAME: FileInfo.of(folder / ONNX_NAME)})
        manifest = with_key(manifest, options)
        write_manifest(manifest, folder)
        rows: list[ParityRow] = []
        if options.verify:
            manifest, rows = _verified(manifest, source, folder, options, progress)
            write_manifest(manifest, folder)
        built = _build_plan(source, folder, prepared, progress, cancel) if prepared else None
        manifest = Bundle.open(folder).manifest
    return ExportReport(output, manifest, nodes, tuple(rows), built)


def _build_plan(
    model: FlowModel, folder: Path, prepared: Preparation, progress: Progress, cancel: Event | None
) -> PlanReport:
    return build_plan(
        folder,
        prepared.options,
        progress,
        prepared=prepared,
        reference=lambda: _pytorch(model),
        cancel=cancel,
    )


def _reused(
    model: FlowModel, output: Path, options: ExportOptions, prepared: Preparation | None
) -> ExportReport:
    expected = _manifest(model, options)

    def differences(found: Manifest) -> Iterator[str]:
        yield from export_differences(found, expected, options)
        if prepared:
            yield from plan_differences(found, prepared)

    bundle = reuse(output, differences)
    nodes = len(onnx.load(bundle.onnx_path).graph.node)
    plan = reused_report(bundle, prepared) if prepared else None
    return ExportReport(output, bundle.manifest, nodes, (), plan, reused=True)


def _loaded(model: FlowModel | ModelSource | str | Path, progress: Progress) -> FlowModel:
    if isinstance(model, FlowModel):
        return model
    progress.start("loading the weights", None, "")
    loaded = (model if isinstance(model, ModelSource) else ModelSource(str(model))).load()
    progress.finish()
    return loaded


def _write_onnx(model: FlowModel, folder: Path, options: ExportOptions, progress: Progress) -> int:
    exported = export_onnx(model, options, progress)
    (folder / ONNX_NAME).write_bytes(exported.SerializeToString(deterministic=True))
    return len(exported.graph.node)


def _manifest(model: FlowModel, options: ExportOptions) -> Manifest:
    """What a bundle of the model says of itself, but for its files and what comes of them."""
    head = model.config.head_config
    return Manifest(
        model=ModelInfo(model.config.backbone, _weights_sha256(model), model.config.to_dict()),
        precision=options.precision,
        inputs=options.inputs,
        operator=OperatorInfo(radius=head.radius, inline=options.plain),
        opset=options.opset,
        tools={"dinoflow-deploy": dinoflow_deploy.__version__} | {name: version(name) for name in _TOOLS},
        parity=None,
        files={},
    )


def _weights_sha256(model: FlowModel) -> str:
    """SHA-256 of the model as ``save_model`` writes it: of its own file, where it comes from one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_model(model, path)
        return FileInfo.of(path).sha256


@contextmanager
def _pytorch(model: FlowModel) -> Iterator[PyTorchEngine]:
    # A copy, since an engine moves its model about and the caller's must stay as it is.
    with PyTorchEngine(copy.deepcopy(model), device="cpu") as engine:
        yield engine


def _verified(
    manifest: Manifest, model: FlowModel, folder: Path, options: ExportOptions, progress: Progress
) -> tuple[Manifest, list[ParityRow]]:
    with _pytorch(model) as reference, cpu_engine(folder, options.precision) as engine:
        parity, rows = verify(engine, reference, options.precision, progress)
    if options.precision == "bf16":
        parity = replace(parity, engine=parity.engine + EMULATED)
    tools = manifest.tools | {VERIFIER: version(VERIFIER)}
    return replace(manifest, parity=parity, tools=tools), rows
