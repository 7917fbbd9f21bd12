"""``dinoflow-deploy extract``: the flow of many clips."""

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dinoflow_deploy.cli.clip_options import FramesOption, StartOption, StrideOption
from dinoflow_deploy.cli.engine_command import (
    BackendOption,
    DeviceOption,
    EngineCommand,
    ModelOption,
    engine_options,
)
from dinoflow_deploy.cli.interrupt import INTERRUPTED, stop_on_interrupt
from dinoflow_deploy.cli.text_output import open_texts, reserve, write_texts
from dinoflow_deploy.cli.values import parse_path, parse_reference, parse_text_path, printable, refuse_options
from dinoflow_deploy.progress import counted

if TYPE_CHECKING:
    from dinoflow_deploy.extract import ExtractReport

SOME_FAILED: Final = 3
"""Exit code when there is no flow of some clips."""
_MAX_FLOW: Final = 20.0
_SHOWN_FAILURES: Final = 10
_ADDRESS: Final = re.compile(r"auto|local|[\w.\-\[\]:]+:\d+")
"""What names a cluster of Ray."""


class Format(StrEnum):
    """What flow is kept as."""

    MKV = "mkv"
    FLO = "flo"
    PNG = "png"
    NPY = "npy"


class Precision(StrEnum):
    """What an engine computes in."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"


class Also(StrEnum):
    """What is kept beside flow."""

    RGB = "rgb"


class ExtractCommand(EngineCommand):
    """The command, whose ``--ray`` may stand alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As ``EngineCommand``'s; ``--ray`` takes what follows where that is an address."""
        following = [*args[1:], ""]
        args = [
            "--ray=" if word == "--ray" and not _ADDRESS.fullmatch(after) else word
            for word, after in zip(args, following, strict=True)
        ]
        return super().parse_args(ctx, args)


def extract(
    context: typer.Context,
    inputs: Annotated[
        list[str],
        typer.Argument(
            parser=parse_reference,
            metavar="INPUT",
            help="Clips; folders, for all clips beneath them; quoted globs; lists of clips (.txt, or "
            ".csv and .parquet with a column path).",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            parser=parse_path,
            metavar="DIR",
            help="Folder for flow and manifest; of one that is there, what is done is left alone.",
        ),
    ],
    model: ModelOption = "nano",
    backend: BackendOption = "auto",
    device: DeviceOption = "auto",
    precision: Annotated[
        Precision | None,
        typer.Option(show_default="the model's", help="What the engine has to compute in."),
    ] = None,
    batch: Annotated[
        int, typer.Option(metavar="N", help="Pairs computed at once; more than 1 is for GPUs.")
    ] = 1,
    max_side: Annotated[
        int | None, typer.Option(metavar="PX", help="Shrink larger frames first; flow has the smaller size.")
    ] = None,
    start: StartOption = 0,
    frames: FramesOption = None,
    stride: StrideOption = 1,
    flow_format: Annotated[
        Format,
        typer.Option("--format", help="One file for a clip (mkv), or a folder with one for each pair."),
    ] = Format.MKV,
    also: Annotated[
        Also | None, typer.Option(help="rgb: flow in colours too, as an mp4 for each clip.")
    ] = None,
    max_flow: Annotated[
        float,
        typer.Option(metavar="PX", help="Motion from which these colours are full, the same in all clips."),
    ] = _MAX_FLOW,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            show_default="one for each GPU, else 1",
            help="Processes that share the clips.",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="Share clips out by Ray: to the cluster at HOST:PORT, the one that is found, or a new one.",
        ),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Compute clips again that failed before.")
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            parser=parse_text_path,
            metavar="FILE",
            help="Write counts and failures. - is standard output.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file of --json; flow never needs it.")
    ] = False,
) -> None:
    """Compute the optical flow of many clips into a folder, with a manifest; run again, it goes on.

    Exit codes: 0 done, 1 error, 2 wrong usage, 3 some clips failed (the manifest says why), 130 stopped with
    Ctrl-C (what is finished is kept).
    """
    from dinoflow_deploy.cli.progress import TerminalProgress
    from dinoflow_deploy.engines.loading import check_source
    from dinoflow_deploy.extract import FlowChoices
    from dinoflow_deploy.extract import extract as extract_flow
    from dinoflow_deploy.extract.engine_choice import EngineChoice
    from dinoflow_deploy.extract.manifest import OWN_NAMES

    check_source(model, backend, device)
    if also is None:
        refuse_options(context, ("max_flow",), "is for pictures: --also rgb draws them")
    choices = FlowChoices(
        format=flow_format.value,
        batch=batch,
        max_side=max_side,
        start=start,
        frames=frames,
        stride=stride,
        rgb_max_flow=None if also is None else max_flow,
    )
    (json_output,) = open_texts(
        json_file, overwrite=overwrite, inputs=[path for text in inputs if (path := Path(text)).is_file()]
    )
    reserve(context, json_output, others=[output, *(output / name for name in OWN_NAMES)])
    options = engine_options(context)
    if "engine_precision" in options:
        raise typer.BadParameter("--engine-precision is of OpenVINO: --precision says it for any engine")
    engine = EngineChoice(model, backend, device, None if precision is None else precision.value, options)
    promise = "clips that are being computed are given up, and what is finished is kept"
    with TerminalProgress() as progress, stop_on_interrupt(promise) as stop:
        report = extract_flow(
            inputs,
            output,
            engine,
            choices,
            workers=workers,
            ray=ray,
            retry_failed=retry_failed,
            progress=progress,
            stop=stop,
        )
    try:
        _print_report(report)
    finally:
        write_texts([(json_output, json.dumps(report.to_dict(), indent=2) + "\n")])
    if report.interrupted:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(SOME_FAILED if report.failures else 0)


def _print_report(report: "ExtractReport") -> None:
    skipped = f", {report.skipped} done before" if report.skipped else ""
    typer.echo(
        f"{'stopped; ' if report.interrupted else ''}wrote {report.output}: flow of "
        f"{counted(report.done, 'clips')} of {report.clips}{skipped}, {counted(report.pairs, 'pairs')}"
    )
    if report.done:
        typer.echo(f"{report.pairs_per_second:.3g} pairs/s, {report.seconds:.1f} s in all, {report.workers}")
    for row in report.failures[:_SHOWN_FAILURES]:
        # Most errors name the file.
        named = "" if row.path in (row.error or "") else f"{row.path}: "
        typer.echo(printable(f"failed: {named}{row.error}"), err=True)
    if len(report.failures) > _SHOWN_FAILURES:
        more = len(report.failures) - _SHOWN_FAILURES
        typer.echo(f"failed: {more} more, each with its reason in {report.output}/manifest.jsonl", err=True)
    if report.failures:
        typer.echo("next: the same command with --retry-failed tries these again", err=True)
    elif report.interrupted:
        typer.echo("next: the same command goes on")
