"""``dinoflow-deploy export``: PyTorch weights to a bundle, and a bundle to a further artefact."""

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dinoflow_deploy.cli.target_options import own_values, parameter_names, parameters
from dinoflow_deploy.cli.values import choices, parse_path, parse_reference
from dinoflow_deploy.export.target import Target
from dinoflow_deploy.export.targets import TARGETS

if TYPE_CHECKING:
    from dinoflow_deploy.export import ModelSource
    from dinoflow_deploy.export.target import TargetOptions

_MODEL = (
    "nano, small, vits16, or a complete .safetensors file such as RUN/best.safetensors; with another "
    "--target than onnx also the folder of a bundle, for which torch is not needed."
)
_OUTPUT = "Folder of the bundle; with --target triton the model repository."
_SIZE = "Height and width in px, multiples of 16, fixed in the file."
_CORNER = "HxW[,BATCH]"
_GIVEN: Final = ("chosen", "targets", "own")
"""Parameters of ``_export`` that are made here."""
_HELP: Final = """
Export a model to a bundle that every engine runs, and prove that it still computes the same flow.

With --target tensorrt the bundle also holds a TensorRT plan; with --target triton it becomes a version in a
model repository. What is there already, from the same weights and settings, is reused.
"""


def export_command(targets: Sequence[Target] = TARGETS) -> Callable[..., None]:
    """The command, with the options of its targets.

    Args:
        targets: The first one is the ONNX file.
    """
    rows = {target.name: target for target in targets}

    def export(**values: Any) -> None:
        own = {name: values.pop(name) for name in parameter_names(targets)}
        _export(chosen=rows[values.pop("target")], targets=targets, own=own, **values)

    fixed = [each for each in signature(_export).parameters.values() if each.name not in _GIVEN]
    panels = [each for target in targets[1:] for each in parameters(target)]
    before = 1 + [each.name for each in fixed].index("rename")
    chosen = [_target_parameter(targets), *parameters(targets[0])]
    # Typer reads the parameters from here.
    vars(export)["__signature__"] = Signature([*fixed[:before], *chosen, *fixed[before:], *panels])
    export.__doc__ = _HELP.strip()
    return export


def _target_parameter(targets: Sequence[Target]) -> Parameter:
    kind = choices("--target", [target.name for target in targets])
    text = ", or ".join(target.help for target in targets) + "."
    return Parameter(
        "target",
        Parameter.POSITIONAL_OR_KEYWORD,
        default=kind(targets[0].name),
        annotation=Annotated[kind, typer.Option(metavar="NAME", help=text)],
    )


def _export(
    context: typer.Context,
    chosen: Target,
    targets: Sequence[Target],
    own: dict[str, Any],
    model: Annotated[str, typer.Option(parser=parse_reference, metavar="MODEL", help=_MODEL)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", parser=parse_path, metavar="DIR", help=_OUTPUT),
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
            show_default="dynamic; for plans 1",
            help="Pairs per call; dynamic: 1 to 16.",
        ),
    ] = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not compare the export with PyTorch.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a bundle that exists; make even what is there.")
    ] = False,
    error_table: Annotated[
        bool,
        typer.Option(
            "--error-table",
            help="Export nothing: print what fp16 and bf16 cost, block by block; --size: of the frames, "
            "128x192 by default.",
        ),
    ] = False,
) -> None:
    from dinoflow_deploy.cli.error_table import print_error_tables
    from dinoflow_deploy.cli.export_options import (
        Shapes,
        check_given,
        check_given_for_error_table,
        parse_renames,
    )
    from dinoflow_deploy.export import ModelSource
    from dinoflow_deploy.export.target import SharedOptions

    source = ModelSource(model, head, backbone_weights, parse_renames(rename or []))
    if error_table:
        check_given_for_error_table(context)
        print_error_tables(source, size)
        return
    if output is None:
        raise typer.BadParameter("--output names the folder of the bundle: give it, or --error-table")
    # An empty name, as of a variable that is not set, is not the current folder.
    bundle = Path(model) if model and Path(model).is_dir() else None
    check_given(context, chosen, targets, is_bundle=bundle is not None)
    shapes = Shapes(size, dynamic, minimum, optimum, maximum, batch)
    shared = SharedOptions(
        inputs=shapes.of_file(default_batch=chosen.batch),
        shapes=shapes.requested(),
        verify=not no_verify,
        overwrite=overwrite,
    )
    options, *further = (
        target.options.from_command(shared, own_values(target, own))
        for target in dict.fromkeys((targets[0], chosen))
    )
    if bundle is not None:
        _from_bundle(bundle, output, further[0], overwrite=overwrite)
    else:
        _from_weights(source, output, options, *further)


def _from_weights(source: "ModelSource", output: Path, *options: Any) -> None:
    from dinoflow_deploy.cli.export_report import print_report
    from dinoflow_deploy.cli.progress import TerminalProgress
    from dinoflow_deploy.system.optional import require

    for package in ("torch", "onnx", "onnxscript"):
        require(package, "exporting")
    from dinoflow_deploy.export import export_bundle

    # Before an output that exists: who has both wrong would delete that for nothing.
    source.check()
    of_file, *target = options
    with TerminalProgress() as progress:
        report = export_bundle(source, output, of_file, progress, *target)
    print_report(report)


def _from_bundle(source: Path, output: Path, options: "TargetOptions", *, overwrite: bool) -> None:
    from dinoflow_deploy.cli.export_report import print_report
    from dinoflow_deploy.cli.progress import TerminalProgress
    from dinoflow_deploy.export import build_from_bundle

    with TerminalProgress() as progress:
        report = build_from_bundle(source, output, options, progress, overwrite=overwrite)
    print_report(report)


export = export_command()
