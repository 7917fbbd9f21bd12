"""What a bundle is: its manifest, its files, and what stands in them."""

from pathlib import Path

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.manifest import MANIFEST_NAME, FileInfo
from dinoflow_deploy.engines.onnxruntime.packages import require_onnx
from dinoflow_deploy.errors import MissingPackageError
from dinoflow_deploy.inspection.plan_file import read_plan
from dinoflow_deploy.inspection.report import FileDetails, GraphDetails, LeftOut, PlanDetails, Report
from dinoflow_deploy.tensorrt.plan_info import PlanInfo


def inspect_bundle(folder: Path, *, allow_host_code: bool) -> Report:
    """Check every file of a bundle against its manifest, and look into them.

    Without the package ``onnx`` the report goes as far as the manifest does.

    Raises:
        FileFormatError: The folder is no bundle, or files of it are missing or damaged; all are named.
    """
    bundle = Bundle.open(folder)
    graph, left_out = _graph(bundle)
    plans, more = _plans(bundle, allow_host_code=allow_host_code)
    return Report(
        path=str(folder),
        kind="bundle",
        files=_files(bundle),
        unlisted=_unlisted(bundle),
        manifest=bundle.manifest,
        graph=graph,
        plans=plans,
        left_out=(*left_out, *more),
    )


def _graph(bundle: Bundle) -> tuple[GraphDetails | None, tuple[LeftOut, ...]]:
    try:
        require_onnx("looking into an ONNX file")
    except MissingPackageError as error:
        return None, (LeftOut("the graph: its inputs, nodes, weights and operator", str(error)),)
    from dinoflow_deploy.inspection.onnx_graph import read_graph

    return read_graph(bundle.onnx_path), ()


def _plans(bundle: Bundle, *, allow_host_code: bool) -> tuple[tuple[PlanDetails, ...], tuple[LeftOut, ...]]:
    found: list[PlanDetails] = []
    left_out: list[LeftOut] = []
    for recorded in bundle.manifest.all_of(PlanInfo):
        plan, more = read_plan(bundle.folder / recorded.file, recorded, allow_host_code=allow_host_code)
        found.append(plan)
        left_out += more
    return tuple(found), tuple(left_out)


def _files(bundle: Bundle) -> tuple[FileDetails, ...]:
    manifest = FileInfo.of(bundle.folder / MANIFEST_NAME)
    return (
        FileDetails.of(MANIFEST_NAME, manifest, recorded=False),
        *(FileDetails.of(name, file, recorded=True) for name, file in bundle.manifest.files.items()),
    )


def _unlisted(bundle: Bundle) -> tuple[str, ...]:
    known = {MANIFEST_NAME, *bundle.manifest.files}
    return tuple(sorted(path.name for path in bundle.folder.iterdir() if path.name not in known))
