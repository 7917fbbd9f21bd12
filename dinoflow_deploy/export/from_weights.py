"""A bundle from a PyTorch model, verified, whole or not at all."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from dinoflow_deploy.engines.pytorch import PyTorchEngine
from dinoflow_deploy.export.draft import Draft
from dinoflow_deploy.export.onnx_maker import OnnxMaker, model_info
from dinoflow_deploy.export.options import ExportOptions
from dinoflow_deploy.export.report import ExportReport
from dinoflow_deploy.export.source import ModelSource
from dinoflow_deploy.export.target import Maker, OnnxFacts, TargetOptions
from dinoflow_deploy.export.targets import target_of
from dinoflow_deploy.progress import NoProgress, Progress
from dinoflow_deploy.system.optional import require
from dinoflow_deploy.train.model import FlowModel


def export_bundle(
    model: FlowModel | ModelSource | str | Path,
    output: str | Path,
    options: ExportOptions | None = None,
    progress: Progress | None = None,
    target: TargetOptions | None = None,
    cancel: Event | None = None,
) -> ExportReport:
    """Export a model to a bundle: ``model.onnx``, perhaps a further artefact, and ``manifest.json``.

    The folder appears when everything is done, verification included; a failed or interrupted export leaves
    nothing at ``output``. Where the folder is there already, made from the same weights and settings by the
    same tools, it is left as it is and reported as reused.

    Args:
        model: A model in memory, or what names one: see ``ModelSource``.
        output: Folder to create; of some targets, the repository to add to.
        options: What to export it as; by default float32 with dynamic shapes.
        progress: Told of each stage.
        target: What else to make, for instance ``PlanOptions`` for a TensorRT plan; or where it is to go,
            ``TritonOptions`` for a repository of Triton's.
        cancel: Ends the making of that soon after it is set.

    Raises:
        InputError: ``output`` exists and is not to be replaced, or holds more than a bundle; or there is no
            such model.
        ModelError: The model's weights cannot be had.
        ExportError: The model cannot be traced, the target cannot be made, or its flow is not PyTorch's.
        BuildCancelledError: ``cancel`` was set.
        DeviceError: The target needs a GPU and there is none.
        MissingPackageError: ONNX Runtime, which verifies, or what the target needs is not installed.
    """
    output, options, progress = Path(output), options or ExportOptions(), progress or NoProgress()
    if options.verify:
        require("onnxruntime", "verifying an export (--no-verify leaves it out)")
    facts = OnnxFacts(
        options.inputs,
        options.precision,
        inline=options.plain,
        is_reference=False,
        model_input=options.model_input,
    )
    asked = target or options
    place = target_of(asked).output_at(output, asked, facts, overwrite=options.overwrite)
    further = target_of(asked).makers(asked, facts)
    loaded = _loaded(model, progress)
    described = model_info(loaded)
    makers: list[Maker] = [OnnxMaker(loaded, described, options), *further]
    bundle = place.found(makers, lambda _: iter(()))
    if bundle is not None:
        reports = tuple(maker.reused(bundle) for maker in makers)
        return ExportReport(place, bundle.manifest, reports, reused=True)
    with place.new_folder() as folder:
        draft = Draft(folder, described, options.precision, reference=lambda: _pytorch(loaded))
        made = tuple(maker.make(draft, progress, cancel or Event()) for maker in makers)
        place.complete(draft)
        manifest = draft.finish()
    return ExportReport(place, manifest, made)


def _loaded(model: FlowModel | ModelSource | str | Path, progress: Progress) -> FlowModel:
    if isinstance(model, FlowModel):
        return model
    progress.start("loading the weights", None, "")
    loaded = (model if isinstance(model, ModelSource) else ModelSource(str(model))).load()
    progress.finish()
    return loaded


@contextmanager
def _pytorch(model: FlowModel) -> Iterator[PyTorchEngine]:
    # A copy, since an engine moves its model about and the caller's must stay as it is.
    with PyTorchEngine(copy.deepcopy(model), device="cpu") as engine:
        yield engine
