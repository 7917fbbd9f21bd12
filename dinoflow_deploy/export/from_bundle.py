"""An artefact from a bundle that was exported elsewhere: no torch, no weights."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.manifest import Manifest
from dinoflow_deploy.export.draft import Draft
from dinoflow_deploy.export.onnx_report import OnnxReport
from dinoflow_deploy.export.report import ExportReport
from dinoflow_deploy.export.reuse import info_differences, model_differences
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
    facts = OnnxFacts(
        onnx.inputs,
        bundle.manifest.precision,
        inline=onnx.operator.inline,
        is_reference=True,
        model_input=onnx.model_input,
        source=bundle.manifest,
    )
    target = target_of(options)
    place = target.output_at(output, options, facts, overwrite=overwrite)
    makers = target.makers(options, facts)
    found = place.found(makers, lambda found: _differences(found, bundle.manifest))
    if found is not None:
        artefacts = (OnnxReport.of(found.manifest), *(maker.reused(found) for maker in makers))
        return ExportReport(place, found.manifest, artefacts, reused=True)
    with place.new_folder() as folder:
        draft = Draft.copy_of(bundle, folder, without=[maker.file for maker in makers])
        made = [maker.make(draft, progress or NoProgress(), cancel or Event()) for maker in makers]
        place.complete(draft)
        manifest = draft.finish()
    return ExportReport(place, manifest, (OnnxReport.of(manifest), *made))


def _differences(found: Manifest, source: Manifest) -> Iterator[str]:
    yield from model_differences(found, source.model, source.precision)
    yield from info_differences(found.onnx, source.onnx)
    if found.files[found.onnx.file] != source.files[source.onnx.file]:
        yield f"its {found.onnx.file} is another file"
