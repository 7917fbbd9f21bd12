"""What ``dinoflow-deploy video`` says when it is done."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dinoflow_deploy.atomic import fitting_name
from dinoflow_deploy.progress import counted

if TYPE_CHECKING:
    from dinoflow_deploy.video import VideoReport


def print_report(report: "VideoReport", inputs: Sequence[str], computing: Sequence[str]) -> None:
    """Print what was noticed, what was written, how fast it was and what to do next.

    Args:
        report: The outcome.
        inputs: What was read, as the user named it.
        computing: The options that decide what is computed, as words of a command line.
    """
    for note in report.notes:
        typer.echo(f"note: {note}", err=True)
    if report.damage:
        typer.echo(f"warning: {report.input} is damaged: {report.damage}", err=True)
    stopped = "stopped; " if report.interrupted else ""
    for line in _written(report):
        typer.echo(f"{stopped}{line}")
    if report.occluded is not None:
        typer.echo(f"{report.occluded:.1%} of a frame, on average, is hidden in the next one or has left it")
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in report.stage_seconds.items() if seconds)
    typer.echo(
        f"{report.pairs_per_second:.3g} pairs/s, {report.seconds:.1f} s in all; stages overlap: {stages}"
    )
    following = _following(report, inputs)
    if following:
        typer.echo(f"next: dinoflow-deploy video {shlex.join([*inputs, *computing, *following])}")


def _written(report: "VideoReport") -> Iterator[str]:
    flow = f"{report.flow_width}x{report.flow_height}"
    smaller = (report.computed_width, report.computed_height) != (report.flow_width, report.flow_height)
    if smaller:
        flow += f" computed at {report.computed_width}x{report.computed_height}"
    if report.output is not None:
        what = f"{report.width}x{report.height}"
        if Path(report.output).suffix.lower() != ".png":
            what = f"{counted(report.pictures, 'frames')}, {what}, {float(report.rate):.4g} fps"
        size = Path(report.output).stat().st_size / 1e6
        what += f", flow {flow}" if smaller else ""
        yield f"wrote {report.output}: {what}, {size:.2g} MB, full colour is {report.max_flow:g} px and more"
    if report.save_flow is not None:
        directions = "forward and backward flow" if report.backward else "flow"
        masks = "" if report.occluded is None else ", masks of what is occluded"
        yield f"wrote {report.save_flow}: {directions} of {counted(report.pairs, 'pairs')}, {flow}{masks}"


def _following(report: "VideoReport", inputs: Sequence[str]) -> list[str]:
    """What draws the same flow in another way."""
    from dinoflow_deploy.video.outputs import default_output

    if report.output is None:
        return ["--output", str(default_output(inputs))]
    if report.render != "flow":
        return []
    output = Path(report.output)
    other = output.with_name(fitting_name(output.stem, f"-side-by-side{output.suffix}"))
    return ["--output", str(other), "--render", "side-by-side"]
