"""What ``dinoflow-deploy export`` prints."""

from typing import Final

import typer

from dinoflow_deploy.cli.tables import print_labelled
from dinoflow_deploy.export.report import ArtefactReport, ExportReport

_WARNINGS_SHOWN: Final = 5
_LABEL_WIDTH: Final = 9


def print_report(report: ExportReport) -> None:
    """Print what was exported, artefact by artefact, and the command to go on with."""
    lines = [*report.output.lines(reused=report.reused)]
    for artefact in report.artefacts:
        lines += artefact.lines()
        print_labelled(lines, plain_width=_LABEL_WIDTH)
        _print_warnings(artefact)
        lines = []
    label = "next"
    for line in report.output.next_command(report.artefacts).splitlines():
        typer.echo(f"{label:<{_LABEL_WIDTH}}{line}")
        label = ""


def _print_warnings(artefact: ArtefactReport) -> None:
    for warning in artefact.warnings[:_WARNINGS_SHOWN]:
        typer.echo(f"warning: {artefact.warner}: {' '.join(warning.split())}", err=True)
    if len(artefact.warnings) > _WARNINGS_SHOWN:
        more = len(artefact.warnings) - _WARNINGS_SHOWN
        typer.echo(f"warning: and {more} more of {artefact.warner}", err=True)
