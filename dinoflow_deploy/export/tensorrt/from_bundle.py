"""A plan from a bundle that was exported elsewhere: no torch, no weights."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from dinoflow_deploy.bundles.bundle import ONNX_NAME, Bundle, Manifest
from dinoflow_deploy.export.bundle_folder import bundle_folder, check_bundle_folder
from dinoflow_deploy.export.manifests import without_plan, write_manifest
from dinoflow_deploy.export.reuse import manifest_differences, may_be_reused, reuse
from dinoflow_deploy.export.tensorrt.build import build_plan
from dinoflow_deploy.export.tensorrt.options import PlanOptions
from dinoflow_deploy.export.tensorrt.preparation import Preparation, prepare
from dinoflow_deploy.export.tensorrt.report import PlanReport
from dinoflow_deploy.export.tensorrt.reuse import plan_differences, reused_report
from dinoflow_deploy.progress import NoProgress, Progress


@dataclass(frozen=True, slots=True)
class BundleReport:
    """What came of building a plan from a bundle.

    Attributes:
        folder: The new bundle.
        manifest: What it says about itself.
        plan: The plan in it.
    """

    folder: Path
    manifest: Manifest
    plan: PlanReport


def build_from_bundle(
    source: Path,
    output: Path,
    options: PlanOptions,
    progress: Progress | None = None,
    *,
    overwrite: bool = False,
    cancel: Event | None = None,
) -> BundleReport:
    """Make a bundle with a plan from a bundle without one.

    The new bundle has the files of the source, plans of the other flavour included, and a new plan of this
    one. It appears when everything is done. One that is there already with the same ONNX file and a plan of
    the same key is left as it is and reported as reused.

    Args:
        source: An exported bundle.
        output: Folder to create; with ``overwrite`` it may be the source itself.
        options: What to build.
        progress: Told of each stage.
        overwrite: Build in any case, and replace a folder that exists.
        cancel: Ends the build soon after it is set.

    Raises:
        FileFormatError: The source is no bundle, or damaged.
        InputError: ``output`` exists and is another bundle or holds more than one, or the source does not
            take the shapes asked for.
        ExportError, DeviceError, MissingPackageError: As ``build_plan`` raises them.
    """
    bundle = Bundle.open(source)
    manifest = bundle.manifest
    reusable = may_be_reused(output, overwrite=overwrite)
    if not reusable:
        check_bundle_folder(output, overwrite=overwrite)
    prepared = prepare(
        options, manifest.inputs, inline=manifest.operator.inline, precision=manifest.precision
    )
    if reusable:
        found = reuse(output, lambda found: _differences(found, manifest, prepared))
        return BundleReport(output, found.manifest, reused_report(found, prepared))
    with bundle_folder(output, overwrite=overwrite) as folder:
        kept = without_plan(manifest, prepared.target.flavour.name)
        for name in kept.files:
            shutil.copyfile(bundle.folder / name, folder / name)
        write_manifest(kept, folder)
        report = build_plan(folder, options, progress or NoProgress(), prepared=prepared, cancel=cancel)
        written = Bundle.open(folder).manifest
    return BundleReport(output, written, report)


def _differences(found: Manifest, source: Manifest, prepared: Preparation) -> Iterator[str]:
    yield from manifest_differences(found, source)
    if found.files[ONNX_NAME] != source.files[ONNX_NAME]:
        yield f"its {ONNX_NAME} is another file"
    yield from plan_differences(found, prepared)
