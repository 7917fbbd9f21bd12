"""``dinoflow-deploy export``: PyTorch weights to a bundle."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dinoflow_deploy.export import ExportReport

_MODEL = "nano, vits16, or a complete .safetensors file such as RUN/best.safetensors."
_SIZE = "Height and width in px, multiples of 16, fixed in the file."


class Precision(StrEnum):
    """Types that an export computes in."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"


def export(
    model: Annotated[str, typer.Option(help=_MODEL)],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder of the bundle.")] = None,
    head: Annotated[
        str | None, typer.Option(metavar="FILE", help="Decoder weights; default: the published ones.")
    ] = None,
    backbone_weights: Annotated[
        str | None, typer.Option(metavar="FILE", help="Backbone weights; default: the published ones.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="A name in --head and what it stands for.")
    ] = None,
    precision: Annotated[Precision, typer.Option(help="Type of weights and computation.")] = Precision.FP32,
    size: Annotated[str | None, typer.Option(metavar="HxW", show_default="--dynamic", help=_SIZE)] = None,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="Any height and width from 64 to 2048 px, multiples of 16.")
    ] = False,
    batch: Annotated[str, typer.Option(metavar="N|dynamic", help="Pairs per call; dynamic: 1 to 16.")] = (
        "dynamic"
    ),
    opset: Annotated[
        int, typer.Option(metavar="N", show_default="20; bf16: 22", help="ONNX opset, 20 to 22.")
    ] = 0,
    plain: Annotated[
        bool, typer.Option("--plain", help="Standard operators only, for runtimes that read no functions.")
    ] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not compare the export with PyTorch.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a folder that exists.")] = False,
    error_table: Annotated[
        bool,
        typer.Option(
            "--error-table",
            help="Export nothing: print what fp16 and bf16 cost, block by block; --size: of the frames, "
            "128x192 by default.",
        ),
    ] = False,
) -> None:
    """Export a model to a bundle that every engine runs, and prove that it still computes the same flow."""
    from dinoflow_deploy.cli.progress import TerminalProgress
    from dinoflow_deploy.optional import require

    if size is not None and dynamic:
        raise typer.BadParameter("--size fixes what --dynamic leaves open: give one of them")
    require("torch", "exporting")
    require("onnxscript", "exporting")
    from dinoflow_deploy.export import ExportOptions, ModelSource, export_bundle
    from dinoflow_deploy.export.options import parse_inputs

    source = ModelSource(model, head, backbone_weights, _renames(rename or []))
    if error_table:
        from dinoflow_deploy.cli.error_table import print_error_tables

        print_error_tables(source, size, output)
        return
    if output is None:
        raise typer.BadParameter("--output names the folder of the bundle: give it, or --error-table")
    options = ExportOptions(
        precision=precision.value,
        inputs=parse_inputs(size, batch),
        opset=opset,
        plain=plain,
        verify=not no_verify,
        overwrite=overwrite,
    )
    with TerminalProgress() as progress:
        report = export_bundle(source, output, options, progress)
    _print(report)


def _renames(pairs: list[str]) -> dict[str, str]:
    renames = {}
    for pair in pairs:
        old, separator, new = pair.partition("=")
        if not (old and separator and new):
            raise typer.BadParameter(f"--rename takes OLD=NEW, not '{pair}'")
        renames[old] = new
    return renames


def _print(report: "ExportReport") -> None:
    manifest, operator = report.manifest, report.manifest.operator
    form = "in standard operators" if operator.inline else f"as {operator.domain}::{operator.name}"
    typer.echo(f"bundle   {report.folder}")
    typer.echo(f"model    {manifest.model.name}, {manifest.precision}, opset {manifest.opset}")
    typer.echo(f"shapes   {manifest.inputs}")
    for name, file in manifest.files.items():
        typer.echo(
            f"file     {name}, {file.bytes / 1e6:.1f} MB, {report.nodes} nodes, local correlation {form}"
        )
    _print_parity(report)
    if manifest.precision == "bf16":
        typer.echo("next     build an engine of model.onnx with TensorRT; ONNX Runtime's CPU has no bfloat16")
    else:
        typer.echo(f"next     dinoflow-deploy video in.mp4 --model {report.folder}")


def _print_parity(report: "ExportReport") -> None:
    parity = report.manifest.parity
    if parity is None:
        typer.echo("parity   not verified")
        return
    typer.echo(
        f"parity   {parity.engine} against {parity.reference}: end-point difference in px, "
        f"limit {parity.tolerance_px:g}"
    )
    typer.echo(f"         {'batch':>5}  {'size':>9}  {'flow':>7}  {'mean':>8}  {'99%':>8}  {'max':>8}")
    for row in report.parity:
        typer.echo(
            f"         {row.batch:>5}  {f'{row.height}x{row.width}':>9}  {row.flow_px:>7.2f}  "
            f"{row.mean_px:>8.2g}  {row.p99_px:>8.2g}  {row.max_px:>8.2g}"
        )
