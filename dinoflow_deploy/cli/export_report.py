"""What ``dinoflow-deploy export`` prints."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from dinoflow_deploy.engines.bundle import ONNX_NAME, Manifest, Parity
from dinoflow_deploy.engines.input_range import InputRange

if TYPE_CHECKING:
    from dinoflow_deploy.export.parity import ParityRow
    from dinoflow_deploy.export.tensorrt.report import PlanReport

_WARNINGS_SHOWN: Final = 5


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
    typer.echo(f"bundle   {folder}{', reused: it was there already' if reused else ''}")
    typer.echo(f"model    {manifest.model.name}, {manifest.precision}, opset {manifest.opset}")
    typer.echo(f"shapes   {manifest.inputs}")
    counted = f"{nodes} nodes, " if nodes is not None else ""
    typer.echo(f"file     {ONNX_NAME}, {file.bytes / 1e6:.1f} MB, {counted}local correlation {form}")
    _print_parity(manifest.parity, rows, "not verified")


def print_plan(report: "PlanReport") -> None:
    """Print what a plan is."""
    plan = report.plan
    built = "reused: it was there already" if report.reused else f"built in {report.seconds:.1f} s"
    typer.echo(f"plan     {plan.file}, {report.bytes / 1e6:.1f} MB, {built}")
    typer.echo(f"         {_title(plan.flavour)} {plan.version}, {_machine(report)}")
    typer.echo(f"         {_shapes(plan.inputs)}")
    typer.echo(f"         optimization level {plan.optimization_level}")
    typer.echo(f"plugin   {plan.plugin}: {report.door.reason}")
    if report.layers:
        counts = ", ".join(f"{count} {name}" for name, count in report.layers.items())
        typer.echo(f"layers   {counts} (before TensorRT fuses them; other: integers and Booleans)")
    _print_parity(plan.parity, report.parity, f"plan not run: {report.not_run}")
    for warning in report.warnings[:_WARNINGS_SHOWN]:
        typer.echo(f"warning: TensorRT: {' '.join(warning.split())}", err=True)
    if len(report.warnings) > _WARNINGS_SHOWN:
        typer.echo(f"warning: and {len(report.warnings) - _WARNINGS_SHOWN} more of TensorRT", err=True)


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
    from dinoflow_deploy.engines.tensorrt.flavours import find_flavour

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


def _print_parity(parity: Parity | None, rows: "Sequence[ParityRow]", otherwise: str) -> None:
    if parity is None:
        typer.echo(f"parity   {otherwise}")
        return
    typer.echo(f"parity   {parity.engine} against {parity.reference}: end-point difference in px")
    typer.echo(f"         {'batch':>5}  {'size':>9}  {'flow':>7}  {'mean':>8}  {'99%':>8}  {'max':>8}")
    for row in rows:
        _print_figures(str(row.batch), f"{row.height}x{row.width}", row)
    _print_figures(f"{parity.pairs}", "all", parity)
    if parity.relative is not None:
        typer.echo(
            f"         limits: max {parity.tolerance_px:g}, mean {parity.relative_tolerance:g} of the flow; "
            f"it is {parity.relative:.2g} at most"
        )


def _print_figures(batch: str, size: str, figures: "Parity | ParityRow") -> None:
    flow = "" if figures.flow_px is None else f"{figures.flow_px:.2f}"
    typer.echo(
        f"         {batch:>5}  {size:>9}  {flow:>7}  {figures.mean_px:>8.2g}  {figures.p99_px:>8.2g}  "
        f"{figures.max_px:>8.2g}"
    )
