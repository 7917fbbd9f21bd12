"""An artefact from a bundle that was exported elsewhere: no torch, no weights."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.manifest import Manifest
from dinoflow_deploy.export.bundle_folder import bundle_folder
from dinoflow_deploy.export.draft import Draft
from dinoflow_deploy.export.onnx_report import OnnxReport
from dinoflow_deploy.export.report import ExportReport
from dinoflow_deploy.export.reuse import info_differences, may_be_reused, model_differences, reuse
from dinoflow_deploy.export.target import OnnxFacts, TargetOptions
from dinoflow_deploy.export.targets import target_of
from dinoflow_deploy.progress import NoProgress, Progress


def build_from_bundle(
    source: Path,
    output: Path,
    options: TargetOptions,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
    cancel: Event | None = None,
) -> ExportReport:
    """Make a bundle with one artefact more from a bundle.

    The new bundle has the files of the source, its other artefacts included, and the new artefact. It appears
    when everything is done. One that is there already with the same ONNX file and an artefact of the same key
    is left as it is and reported as reused.

    Args:
        source: An exported bundle.
        output: Folder to create; with ``overwrite`` it may be the source itself.
        options: What to make, for instance ``PlanOptions``.
        progress: Told of each stage.
        overwrite: Make it in any case, and replace a folder that exists.
        cancel: Ends the work soon after it is set.

    Raises:
        FileFormatError: The source is no bundle, or damaged.
        InputError: ``output`` exists and is another bundle or holds more than one, or the source does not
            take the shapes asked for.
        ExportError: The artefact cannot be made, or its flow is not that of the ONNX file.
        BuildCancelledError: ``cancel`` was set.
        DeviceError: It needs a GPU and there is none.
        MissingPackageError: A package that it needs is not installed.
    """
    bundle = Bundle.open(source)
    onnx = bundle.manifest.onnx
    reusable = may_be_reused(output, overwrite=overwrite)
    facts = OnnxFacts(onnx.inputs, bundle.manifest.precision, inline=onnx.operator.inline, is_reference=True)
    maker = target_of(options).maker(options, facts)
    if reusable:
        found = reuse(output, [maker], lambda found: _differences(found, bundle.manifest))
        artefacts = (OnnxReport.of(found.manifest), maker.reused(found))
        return ExportReport(output, found.manifest, artefacts, reused=True)
    with bundle_folder(output, overwrite=overwrite) as folder:
        draft = Draft.copy_of(bundle, folder, without=[maker.file])
        made = maker.make(draft, progress or NoProgress(), cancel or Event())
        manifest = draft.finish()
    return ExportReport(output, manifest, (OnnxReport.of(manifest), made))


def _differences(found: Manifest, source: Manifest) -> Iterator[str]:
    yield from model_differences(found, source.model, source.precision)
    yield from info_differences(found.onnx, source.onnx)
    if found.files[found.onnx.file] != source.files[source.onnx.file]:
        yield f"its {found.onnx.file} is another file"
