"""What ``dinoflow-deploy export`` prints."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from dinoflow_deploy.bundles.bundle import ONNX_NAME, Manifest, Parity
from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.cli.tables import print_labelled

if TYPE_CHECKING:
    from dinoflow_deploy.export.parity import ParityRow
    from dinoflow_deploy.export.tensorrt.report import PlanReport

_WARNINGS_SHOWN: Final = 5
_LABEL_WIDTH: Final = 9


def print_bundle(
    folder: Path,
    manifest: Manifest,
    nodes: int | None,
    rows: "Sequence[ParityRow]",
    *,
    reused: bool = False,
) -> None:
    """Print what a bundle is; ``nodes`` are counted only where the graph was at hand."""
    operator, file = manifest.operator, manifest.files[ONNX_NAME]
    form = "in standard operators" if operator.inline else f"as {operator.domain}::{operator.name}"
    counted = f"{nodes} nodes, " if nodes is not None else ""
    lines = [
        ("bundle", f"{folder}{', reused: it was there already' if reused else ''}"),
        ("model", f"{manifest.model.name}, {manifest.precision}, opset {manifest.opset}"),
        ("shapes", str(manifest.inputs)),
        ("file", f"{ONNX_NAME}, {file.bytes / 1e6:.1f} MB, {counted}local correlation {form}"),
        *_parity_lines(manifest.parity, rows, "not verified"),
    ]
    print_labelled(lines, plain_width=_LABEL_WIDTH)


def print_plan(report: "PlanReport") -> None:
    """Print what a plan is."""
    print_labelled(_plan_lines(report), plain_width=_LABEL_WIDTH)
    for warning in report.warnings[:_WARNINGS_SHOWN]:
        typer.echo(f"warning: TensorRT: {' '.join(warning.split())}", err=True)
    if len(report.warnings) > _WARNINGS_SHOWN:
        typer.echo(f"warning: and {len(report.warnings) - _WARNINGS_SHOWN} more of TensorRT", err=True)


def _plan_lines(report: "PlanReport") -> Iterator[tuple[str, str]]:
    plan = report.plan
    built = "reused: it was there already" if report.reused else f"built in {report.seconds:.1f} s"
    yield "plan", f"{plan.file}, {report.bytes / 1e6:.1f} MB, {built}"
    yield "", f"{_title(plan.flavour)} {plan.version}, {_machine(report)}"
    yield "", _shapes(plan.inputs)
    yield "", f"optimization level {plan.optimization_level}"
    yield "plugin", f"{plan.plugin}: {report.door.reason}"
    if report.layers:
        counts = ", ".join(f"{count} {name}" for name, count in report.layers.items())
        yield "layers", f"{counts} (before TensorRT fuses them; other: integers and Booleans)"
    yield from _parity_lines(plan.parity, report.parity, f"plan not run: {report.not_run}")


def print_next(folder: Path, manifest: Manifest, plan: "PlanReport | None") -> None:
    """Print the command to go on with."""
    bundle, new = shlex.quote(str(folder)), shlex.quote(f"{folder}-tensorrt")
    if plan is not None:
        where = "" if plan.plan.gpu else ", on a machine with such a GPU"
        typer.echo(f"next     dinoflow-deploy video in.mp4 --model {bundle} --backend tensorrt{where}")
    elif manifest.precision == "bf16":
        typer.echo(
            f"next     dinoflow-deploy export --target tensorrt --model {bundle} --output {new}\n"
            "         bf16 runs with TensorRT; ONNX Runtime's CPU has no bfloat16"
        )
    else:
        typer.echo(f"next     dinoflow-deploy video in.mp4 --model {bundle}")


def _title(flavour: str) -> str:
    from dinoflow_deploy.tensorrt.flavours import find_flavour

    return find_flavour(flavour).title


def _machine(report: "PlanReport") -> str:
    plan = report.plan
    text = f"for compute capability {', '.join(plan.compute_capabilities)}"
    if plan.gpu is not None:
        text += f", built on {plan.gpu} with driver {plan.driver}"
    if plan.hardware_compatibility != "none":
        text += f", hardware compatibility {plan.hardware_compatibility}"
    return text


def _shapes(inputs: InputRange) -> str:
    if all(axis.is_static for axis in (inputs.batch, inputs.height, inputs.width)):
        return str(inputs)
    return f"{inputs}, tuned for batch {inputs.batch.opt}, {inputs.height.opt}x{inputs.width.opt}"


def _parity_lines(
    parity: Parity | None, rows: "Sequence[ParityRow]", otherwise: str
) -> Iterator[tuple[str, str]]:
    if parity is None:
        yield "parity", otherwise
        return
    yield "parity", f"{parity.engine} against {parity.reference}: end-point difference in px"
    yield "", f"{'batch':>5}  {'size':>9}  {'flow':>7}  {'mean':>8}  {'99%':>8}  {'max':>8}"
    for row in rows:
        yield "", _figures(str(row.batch), f"{row.height}x{row.width}", row)
    yield "", _figures(f"{parity.pairs}", "all", parity)
    if parity.relative is not None:
        limits = f"max {parity.tolerance_px:g}, mean {parity.relative_tolerance:g} of the flow"
        yield "", f"limits: {limits}; it is {parity.relative:.2g} at most"


def _figures(batch: str, size: str, figures: "Parity | ParityRow") -> str:
    flow = "" if figures.flow_px is None else f"{figures.flow_px:.2f}"
    return (
        f"{batch:>5}  {size:>9}  {flow:>7}  {figures.mean_px:>8.2g}  {figures.p99_px:>8.2g}  "
        f"{figures.max_px:>8.2g}"
    )
