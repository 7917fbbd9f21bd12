"""What a plan is: from its file, from the manifest beside it, and from TensorRT where it can load it."""

from pathlib import Path

from dinoflow_deploy.bundles.bundle import problem_with
from dinoflow_deploy.bundles.manifest import MANIFEST_NAME, FileInfo, Manifest
from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.inspection.plan_engine import describe_engine
from dinoflow_deploy.inspection.plan_loading import load_anywhere
from dinoflow_deploy.inspection.report import FileDetails, LeftOut, PlanDetails, Report
from dinoflow_deploy.tensorrt.flavours import FLAVOURS, Flavour, find_flavour
from dinoflow_deploy.tensorrt.plan_header import PlanHeader, read_header
from dinoflow_deploy.tensorrt.plan_info import PlanInfo


def inspect_plan(path: Path, *, allow_host_code: bool) -> Report:
    """Find out what a plan by itself is.

    Args:
        path: The file.
        allow_host_code: Let TensorRT load native code that the plan carries.

    Raises:
        FileFormatError: It is damaged, or not the file that the manifest beside it lists.
    """
    manifest, left_out = _manifest_beside(path)
    recorded = _recorded(manifest, path)
    plan, more = read_plan(path, recorded, allow_host_code=allow_host_code)
    return Report(
        path=str(path),
        kind="plan",
        files=(FileDetails.of(path.name, FileInfo.of(path), recorded=manifest is not None),),
        manifest=manifest,
        plans=(plan,),
        left_out=(*left_out, *more),
    )


def read_plan(
    path: Path, recorded: PlanInfo | None, *, allow_host_code: bool
) -> tuple[PlanDetails, tuple[LeftOut, ...]]:
    """Find out about a plan's file what can be found out here.

    Raises:
        FileFormatError: It is damaged.
    """
    header = read_header(path)
    left_out = []
    if header is None:
        left_out.append(LeftOut(f"the header of {path.name}", "only that of TensorRT-RTX 1 is known here"))
    loaded, reason = load_anywhere(path, _flavours(header, recorded), allow_host_code=allow_host_code)
    if loaded is None:
        left_out.append(LeftOut(f"layers, tensors and memory of {path.name}", reason))
    engine = None if loaded is None else describe_engine(loaded)
    return PlanDetails(file=path.name, header=header, recorded=recorded, engine=engine), tuple(left_out)


def _flavours(header: PlanHeader | None, recorded: PlanInfo | None) -> tuple[Flavour, ...]:
    known = recorded or header
    return FLAVOURS if known is None else (find_flavour(known.flavour),)


def _manifest_beside(path: Path) -> tuple[Manifest | None, tuple[LeftOut, ...]]:
    """The manifest of the bundle that the plan is part of, checked against the plan."""
    beside = path.parent / MANIFEST_NAME
    if not beside.is_file():
        return None, ()
    try:
        manifest = Manifest.read(beside)
    except FileFormatError as error:
        return None, (LeftOut(f"what {MANIFEST_NAME} beside it says", str(error)),)
    if path.name not in manifest.files:
        return None, (LeftOut(f"what {MANIFEST_NAME} beside it says", f"it does not list {path.name}"),)
    if problem := problem_with(path, manifest.files[path.name]):
        raise FileFormatError(problem)
    return manifest, ()


def _recorded(manifest: Manifest | None, path: Path) -> PlanInfo | None:
    plans = manifest.all_of(PlanInfo) if manifest else ()
    return next((plan for plan in plans if plan.file == path.name), None)
