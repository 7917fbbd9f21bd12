"""``dinoflow-deploy export``: PyTorch weights to a bundle, and a bundle to a TensorRT plan."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinoflow_deploy.cli.values import parse_path, parse_reference

if TYPE_CHECKING:
    from dinoflow_deploy.export import ExportOptions, PlanOptions

_MODEL = (
    "nano, small, vits16, or a complete .safetensors file such as RUN/best.safetensors; with --target "
    "tensorrt also the folder of a bundle, for which torch is not needed."
)
_SIZE = "Height and width in px, multiples of 16, fixed in the file."
_CORNER = "HxW[,BATCH]"
_TENSORRT = "TensorRT plans"
"""Panel of the options that --target tensorrt alone takes."""


class Precision(StrEnum):
    """Types that an export computes in."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"


class TargetName(StrEnum):
    """What an export ends with."""

    ONNX = "onnx"
    TENSORRT = "tensorrt"


class FlavourName(StrEnum):
    """The two TensorRTs."""

    TENSORRT = "tensorrt"
    RTX = "rtx"


class PluginName(StrEnum):
    """What a plan computes the local correlation with."""

    AUTO = "auto"
    CPP = "cpp"
    AOT = "aot"
    NONE = "none"


class HardwareCompatibility(StrEnum):
    """GPUs that run a plan."""

    NONE = "none"
    SAME_CC = "same-cc"
    AMPERE_PLUS = "ampere-plus"


def export(
    context: typer.Context,
    model: Annotated[str, typer.Option(parser=parse_reference, metavar="MODEL", help=_MODEL)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", parser=parse_path, metavar="DIR", help="Folder of the bundle."),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            parser=parse_reference, metavar="FILE", help="Decoder weights; default: the published ones."
        ),
    ] = None,
    backbone_weights: Annotated[
        str | None,
        typer.Option(
            parser=parse_reference, metavar="FILE", help="Backbone weights; default: the published ones."
        ),
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="A name in --head and what it stands for.")
    ] = None,
    target: Annotated[
        TargetName, typer.Option(help="onnx, or tensorrt for a plan beside it.")
    ] = TargetName.ONNX,
    precision: Annotated[Precision, typer.Option(help="Type of weights and computation.")] = Precision.FP32,
    size: Annotated[str | None, typer.Option(metavar="HxW", show_default="--dynamic", help=_SIZE)] = None,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="Any height and width from 64 to 2048 px, multiples of 16.")
    ] = False,
    minimum: Annotated[
        str | None,
        typer.Option(
            "--min",
            metavar=_CORNER,
            show_default="plans: 64x64,1",
            help="A range of your own: smallest shape; a batch not given is 1.",
        ),
    ] = None,
    optimum: Annotated[
        str | None,
        typer.Option("--opt", metavar=_CORNER, show_default="plans: 448x1024,1", help="Shape to tune for."),
    ] = None,
    maximum: Annotated[
        str | None,
        typer.Option("--max", metavar=_CORNER, show_default="plans: 1088x1920,1", help="Largest shape."),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="N|dynamic",
            show_default="dynamic; --target tensorrt: 1",
            help="Pairs per call; dynamic: 1 to 16.",
        ),
    ] = None,
    opset: Annotated[
        int, typer.Option(metavar="N", show_default="20; bf16: 22", help="ONNX opset, 20 to 22.")
    ] = 0,
    plain: Annotated[
        bool, typer.Option("--plain", help="Standard operators only, for runtimes that read no functions.")
    ] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not compare the export with PyTorch.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a bundle that exists; make even what is there.")
    ] = False,
    flavour: Annotated[
        FlavourName,
        typer.Option(help="TensorRT, or TensorRT-RTX for RTX cards.", rich_help_panel=_TENSORRT),
    ] = FlavourName.TENSORRT,
    plugin: Annotated[
        PluginName,
        typer.Option(
            help="Local correlation: C++ plugin, ahead-of-time one, or the operator's own body.",
            rich_help_panel=_TENSORRT,
        ),
    ] = PluginName.AUTO,
    optimization_level: Annotated[
        int | None,
        typer.Option(
            metavar="0..5",
            show_default="TensorRT's, 3",
            help="How long to search for fast kernels.",
            rich_help_panel=_TENSORRT,
        ),
    ] = None,
    timing_cache: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="FILE",
            help="Kernel timings that builds share; not for rtx.",
            rich_help_panel=_TENSORRT,
        ),
    ] = None,
    hardware_compatibility: Annotated[
        HardwareCompatibility,
        typer.Option(
            metavar="NAME",
            help="none, same-cc or ampere-plus: GPUs that run it beside those like the building one; not for "
            "rtx.",
            rich_help_panel=_TENSORRT,
        ),
    ] = HardwareCompatibility.NONE,
    workspace: Annotated[
        float | None,
        typer.Option(
            metavar="GiB",
            show_default="all of the GPU's memory",
            help="Most scratch memory of a kernel.",
            rich_help_panel=_TENSORRT,
        ),
    ] = None,
    compute_capability: Annotated[
        str | None,
        typer.Option(
            metavar="89,120",
            show_default="this GPU's",
            help="What rtx builds for, on any machine.",
            rich_help_panel=_TENSORRT,
        ),
    ] = None,
    error_table: Annotated[
        bool,
        typer.Option(
            "--error-table",
            help="Export nothing: print what fp16 and bf16 cost, block by block; --size: of the frames, "
            "128x192 by default.",
        ),
    ] = False,
) -> None:
    """Export a model to a bundle that every engine runs, and prove that it still computes the same flow.

    With --target tensorrt the bundle also holds a TensorRT plan. A bundle that is there already, from the
    same weights and settings, is reused.
    """
    from dinoflow_deploy.cli.error_table import print_error_tables
    from dinoflow_deploy.cli.export_options import (
        Shapes,
        check_given,
        check_given_for_error_table,
        parse_renames,
    )
    from dinoflow_deploy.export import ExportOptions, PlanOptions
    from dinoflow_deploy.export.tensorrt.options import parse_compute_capabilities

    if error_table:
        check_given_for_error_table(context)
        weights = (model, head, backbone_weights, parse_renames(rename or []))
        print_error_tables(weights, size)
        return
    if output is None:
        raise typer.BadParameter("--output names the folder of the bundle: give it, or --error-table")
    # An empty name, as of a variable that is not set, is not the current folder.
    is_plan, is_bundle = target is TargetName.TENSORRT, bool(model) and Path(model).is_dir()
    check_given(context, plan=is_plan, bundle=is_bundle)
    shapes = Shapes(size, dynamic, minimum, optimum, maximum, batch)
    capabilities = () if compute_capability is None else parse_compute_capabilities(compute_capability)
    plan = PlanOptions(
        flavour=flavour.value,
        plugin=plugin.value,
        shapes=shapes.of_plan(),
        optimization_level=optimization_level,
        hardware_compatibility=hardware_compatibility.value,
        workspace_gib=workspace,
        compute_capabilities=capabilities,
        timing_cache=timing_cache,
        verify=not no_verify,
    )
    if is_bundle:
        _export_bundle(Path(model), output, plan, overwrite)
        return
    options = ExportOptions(
        precision=precision.value,
        inputs=shapes.of_file(default_batch="1" if is_plan else "dynamic"),
        opset=opset,
        plain=plain,
        verify=not no_verify,
        overwrite=overwrite,
    )
    renames = parse_renames(rename or [])
    _export_weights((model, head, backbone_weights, renames), output, options, plan if is_plan else None)


def _export_weights(
    source: tuple[str, str | None, str | None, dict[str, str]],
    output: Path,
    options: "ExportOptions",
    plan: "PlanOptions | None",
) -> None:
    from dinoflow_deploy.cli.export_report import print_bundle, print_next, print_plan
    from dinoflow_deploy.cli.progress import TerminalProgress
    from dinoflow_deploy.system.optional import require

    require("torch", "exporting")
    require("onnx", "exporting")
    require("onnxscript", "exporting")
    from dinoflow_deploy.export import ModelSource, export_bundle

    model = ModelSource(*source)
    # Before an output that exists: who has both wrong would delete that for nothing.
    model.check()
    with TerminalProgress() as progress:
        report = export_bundle(model, output, options, progress, plan)
    print_bundle(report.folder, report.manifest, report.nodes, report.parity, reused=report.reused)
    if report.plan is not None:
        print_plan(report.plan)
    print_next(report.folder, report.manifest, report.plan)


def _export_bundle(source: Path, output: Path, plan: "PlanOptions", overwrite: bool) -> None:
    from dinoflow_deploy.cli.export_report import print_bundle, print_next, print_plan
    from dinoflow_deploy.cli.progress import TerminalProgress
    from dinoflow_deploy.export import build_from_bundle

    with TerminalProgress() as progress:
        report = build_from_bundle(source, output, plan, progress, overwrite=overwrite)
    print_bundle(report.folder, report.manifest, None, ())
    print_plan(report.plan)
    print_next(report.folder, report.manifest, report.plan)
