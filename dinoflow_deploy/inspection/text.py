"""A report as lines for a person, each with a label."""

from collections.abc import Iterator
from typing import Final

from dinoflow_deploy.bundles.artefact import Artefact
from dinoflow_deploy.bundles.manifest import Manifest
from dinoflow_deploy.bundles.onnx_info import OnnxInfo
from dinoflow_deploy.bundles.parity import Parity
from dinoflow_deploy.inspection.engine_text import engine_lines
from dinoflow_deploy.inspection.report import GraphDetails, ModelDetails, PlanDetails, Report, TrainingDetails
from dinoflow_deploy.inspection.wording import counts_lines, digest, size, tensor_lines, weights_lines
from dinoflow_deploy.tensorrt.flavours import find_flavour
from dinoflow_deploy.tensorrt.plan_info import PlanInfo

Lines = Iterator[tuple[str, str]]
_SHOWN_OTHERWISE: Final = (OnnxInfo.kind, PlanInfo.kind)


def report_lines(report: Report) -> Lines:
    """What an artefact is, as pairs of label and text; what was left out is not among them.

    Args:
        report: Of ``inspect_artifact``.
    """
    is_plan = report.kind == "plan"
    yield report.kind, f"{report.path}, {size(report.bytes)}"
    if report.manifest:
        # A plan has its own shapes and operator, not those of the ONNX file beside it.
        yield from _plan_manifest_lines(report.manifest) if is_plan else _manifest_lines(report.manifest)
    for file in report.files:
        state = ", as the manifest says" if file.recorded else ""
        yield "file", f"{file.name}, {size(file.bytes)}, SHA-256 {digest(file.sha256)}{state}"
    if report.unlisted:
        yield "", f"not in the manifest: {', '.join(report.unlisted)}"
    if report.graph:
        yield from _graph_lines(report.graph)
    if not is_plan:
        yield from _operator_lines(report.graph, report.manifest)
    if report.training:
        yield from _training_lines(report.training)
    elif report.model:
        yield from _model_lines(report.model)
    for plan in report.plans:
        yield from _plan_lines(plan)
    if report.manifest and not is_plan:
        for artefact in report.manifest.artefacts:
            if artefact.kind not in _SHOWN_OTHERWISE:
                yield from _artefact_lines(artefact)


def _manifest_lines(manifest: Manifest) -> Lines:
    yield "model", f"{manifest.model.name}, {manifest.precision}, opset {manifest.onnx.opset}"
    yield _weights_line(manifest)
    yield "shapes", f"{manifest.onnx.inputs}; sides are multiples of {manifest.stride}"
    yield _images_line(manifest)
    yield from _parity_lines("parity", manifest.onnx.parity, "the export was not verified")
    for parity in manifest.onnx.further_parity:
        yield from _parity_lines("", parity, "")
    yield _tools_line(manifest)


def _plan_manifest_lines(manifest: Manifest) -> Lines:
    yield "model", f"{manifest.model.name}, {manifest.precision}"
    yield _weights_line(manifest)
    yield _images_line(manifest)
    yield _tools_line(manifest)


def _weights_line(manifest: Manifest) -> tuple[str, str]:
    return "", f"from weights with SHA-256 {digest(manifest.model.weights_sha256)}"


def _images_line(manifest: Manifest) -> tuple[str, str]:
    return "images", str(manifest.normalisation)


def _tools_line(manifest: Manifest) -> tuple[str, str]:
    return "made with", ", ".join(f"{name} {version}" for name, version in manifest.onnx.tools.items())


def _parity_lines(label: str, parity: Parity | None, absent: str) -> Lines:
    if parity is None:
        yield label, absent
        return
    yield label, f"{parity.engine} against {parity.reference}, {parity.pairs} pairs, end-point difference:"
    yield (
        "",
        (
            f"mean {parity.mean_px:.2g} px, 99% {parity.p99_px:.2g} px, max {parity.max_px:.2g} px, "
            f"limit {parity.tolerance_px:g} px"
        ),
    )
    if parity.relative is not None:
        yield (
            "",
            f"at most {parity.relative:.2g} of the flow's length, limit {parity.relative_tolerance:g}; "
            f"the flow is {parity.flow_px:.3g} px",
        )


def _graph_lines(graph: GraphDetails) -> Lines:
    yield from tensor_lines(graph.tensors)
    if not graph.is_flow_model:
        yield "", "not a flow model: that computes flow from image1 and image2, or from frame1 and frame2"
    opsets = ", ".join(f"{name} {version}" for name, version in graph.opsets.items())
    yield "onnx", f"written by {graph.producer or 'unknown'}, IR version {graph.ir_version}, opsets {opsets}"
    if graph.objection:
        yield "", f"not valid ONNX, though a runtime may read it: {graph.objection}"
    yield from counts_lines("nodes", graph.nodes, graph.precision)
    yield from weights_lines(graph.weights)


def _operator_lines(graph: GraphDetails | None, manifest: Manifest | None) -> Lines:
    for operator in graph.operators if graph else ():
        attributes = ", ".join(
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in operator.attributes.items()
        )
        body = "no body, so it needs a plugin"
        if operator.body_nodes is not None:
            body = f"its body has {operator.body_nodes} nodes"
        yield "operator", f"dinoflow::LocalCorrelation ({attributes}); {body}"
    if manifest and not (graph and graph.operators):
        stated = manifest.onnx.operator
        form = (
            "inline, in standard operators" if stated.inline else f"one node {stated.domain}::{stated.name}"
        )
        yield "operator", f"local correlation of radius {stated.radius}: {form}"
    elif graph and not graph.operators:
        yield "operator", "no dinoflow::LocalCorrelation: inline in standard operators, or there is none"


def _model_lines(model: ModelDetails) -> Lines:
    if model.config is None:
        yield "config", "none: a decoder or backbone alone, or weights of something else"
    for name, value in (model.config or {}).items():
        parts = [f"{key} {each}" for key, each in value.items()] if isinstance(value, dict) else [str(value)]
        yield name, ", ".join(parts)
    yield from weights_lines(model.weights)


def _training_lines(training: TrainingDetails) -> Lines:
    errors = {"at the start": training.start_epe, "at its best": training.best_epe}
    found = ", ".join(f"{epe:.3f} px {when}" for when, epe in errors.items() if epe is not None)
    validated = f"validation EPE {found}" if found else "not validated yet"
    yield "training", f"{training.step} steps done; {validated}"
    yield "", "train --resume goes on from the checkpoint, which is no model"
    for path, what in training.models.items():
        yield "use", f"--model {path} ({what})"
    if not training.models:
        yield "use", "nothing: its models, best.safetensors and last.safetensors, are not beside it"


def _plan_lines(plan: PlanDetails) -> Lines:
    yield "plan", plan.file
    if plan.header:
        targets = ", ".join(plan.header.compute_capabilities)
        yield "", f"header: {_title(plan.header.flavour)} {plan.header.version}, for {targets}"
    if plan.recorded:
        yield from _recorded_lines(plan.recorded)
    if plan.engine:
        yield from engine_lines(plan.engine)


def _artefact_lines(artefact: Artefact) -> Lines:
    """What the manifest says of an artefact, whatever its kind."""
    yield artefact.kind, artefact.file
    yield "", f"takes {artefact.inputs}"
    for values in (artefact.tools, artefact.details):
        if values:
            yield "", ", ".join(f"{name} {value}" for name, value in values.items())
    yield from _parity_lines("", artefact.parity, "it was not run after it was made")


def _recorded_lines(plan: PlanInfo) -> Lines:
    yield "", f"manifest: {_title(plan.flavour)} {plan.version}, for {', '.join(plan.compute_capabilities)}"
    where = f"{plan.gpu}, driver {plan.driver}" if plan.gpu else "a machine without a GPU"
    yield "", f"built on {where}"
    yield (
        "",
        (
            f"hardware compatibility {plan.hardware_compatibility}, "
            f"optimization level {plan.optimization_level}"
        ),
    )
    operator = "in standard operators" if plan.plugin == "none" else f"by the plugin {plan.plugin}"
    yield "", f"local correlation {operator}"
    yield "", f"takes {plan.inputs}"
    yield from _parity_lines("", plan.parity, "the plan was not run after it was built")


def _title(flavour: str) -> str:
    return find_flavour(flavour).title
