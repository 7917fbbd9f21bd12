"""``dinoflow-deploy inspect``: what a bundle, plan, ONNX file or weights file is."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from dinoflow_deploy.cli.values import parse_reference

if TYPE_CHECKING:
    from dinoflow_deploy.inspection import Report


def inspect(
    artifact: Annotated[
        str,
        typer.Argument(
            parser=parse_reference,
            metavar="ARTIFACT",
            help="A bundle, plan, .onnx or .safetensors file, training run, built-in model, or vits16.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    allow_host_code: Annotated[
        bool,
        typer.Option(
            "--allow-host-code",
            help="Let TensorRT load native code that a plan carries, such as a plugin: for plans you trust.",
        ),
    ] = False,
) -> None:
    """Print what an artefact is: inputs, precision, operator and plugin, memory, versions, parity.

    Every file of a bundle is checked against its manifest. Nothing is run and no GPU is needed; the layers
    of a plan are shown where TensorRT and its GPU are there. What is left out is listed with the reason.
    """
    from dinoflow_deploy.inspection import inspect_artifact

    report = inspect_artifact(artifact, allow_host_code=allow_host_code)
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _show(report)


def _show(report: "Report") -> None:
    from dinoflow_deploy.cli.tables import print_labelled, print_line
    from dinoflow_deploy.inspection import report_lines

    print_labelled(report_lines(report))
    if report.left_out:
        print_line("\nLeft out", "bold")
    for part in report.left_out:
        print_line(f"  {part.what}:")
        # It may hold a command to copy.
        print_line(f"      {part.reason}", fold=False)
