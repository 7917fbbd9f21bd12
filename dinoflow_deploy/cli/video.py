"""``dinoflow-deploy video``: turn a clip into flow."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinoflow_deploy.cli.clip_options import FramesOption, StartOption, StrideOption
from dinoflow_deploy.cli.engine_command import (
    BackendOption,
    DeviceOption,
    ModelOption,
    engine_options,
    own_options,
)
from dinoflow_deploy.cli.interrupt import INTERRUPTED, stop_on_interrupt
from dinoflow_deploy.cli.text_output import open_texts, reserve, write_texts
from dinoflow_deploy.cli.values import parse_path, parse_reference, parse_text_path, refuse_options
from dinoflow_deploy.cli.video_report import print_report
from dinoflow_deploy.errors import InputError

if TYPE_CHECKING:
    from dinoflow_deploy.engines import FlowEngine
    from dinoflow_deploy.video import VideoReport

DEFAULT_MODEL = "nano"
INCOMPLETE = 3
"""Exit code when the source was damaged: what could be read is in the output."""

_INPUTS = (
    "A video or animated image; a folder or list of images; a quoted glob; two images; a camera's number; "
    "rtsp://... Without --output, the last of several is the output, unless all are images."
)

_OUTPUT_SUFFIXES = (".mp4", ".webm", ".gif", ".png")

_COMPUTING = {
    *("model", "backend", "device"),
    *("max_flow", "max_side", "full_size", "start", "frames", "stride", "fps", "deinterlace", "decoder"),
    *("backward", "occlusion"),
}
_DRAWING = ("output", "render", "max_flow", "legend", "show", "encoder")


class Render(StrEnum):
    """Ways to draw flow."""

    FLOW = "flow"
    OVERLAY = "overlay"
    SIDE_BY_SIDE = "side-by-side"
    ARROWS = "arrows"


class Deinterlace(StrEnum):
    """Which frames are deinterlaced."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class Decoder(StrEnum):
    """What decodes a video."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Encoder(StrEnum):
    """What encodes an mp4."""

    AUTO = "auto"
    X264 = "x264"
    NVENC = "nvenc"


class FlowFormat(StrEnum):
    """Kinds of flow file."""

    FLO = "flo"
    PNG = "png"
    NPY = "npy"


def video(
    context: typer.Context,
    inputs: Annotated[list[str], typer.Argument(parser=parse_reference, metavar="INPUT", help=_INPUTS)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=parse_path,
            metavar="FILE",
            show_default="INPUT-flow.mp4",
            help=".mp4, .webm or .gif; .png for two images.",
        ),
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    backend: BackendOption = "auto",
    device: DeviceOption = "auto",
    render: Annotated[Render, typer.Option(help="What the output shows.")] = Render.FLOW,
    max_flow: Annotated[
        float | None,
        typer.Option(
            metavar="PX",
            show_default="99th percentile of the first 2 s",
            help="Motion from which colours are full, the same in the whole clip.",
        ),
    ] = None,
    legend: Annotated[
        bool, typer.Option("--legend", help="Draw the colour wheel with its scale in px into a corner.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Open a window that shows what is written; q or Esc ends early.")
    ] = False,
    backward: Annotated[
        bool,
        typer.Option(
            "--backward",
            help="Flow from the second frame of each pair to the first too, drawn at the right "
            "(side-by-side: below) and saved.",
        ),
    ] = False,
    occlusion: Annotated[
        bool,
        typer.Option(
            "--occlusion",
            help="Cover what the next frame hides with grey stripes, by forward-backward consistency; "
            "--save-flow writes masks too (255: occluded).",
        ),
    ] = False,
    save_flow: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="DIR",
            help="Also write the flow itself: a file per pair into a folder, or all of it into a FILE.mkv.",
        ),
    ] = None,
    flow_format: Annotated[FlowFormat, typer.Option(help="Format of files per pair.")] = FlowFormat.FLO,
    no_video: Annotated[
        bool, typer.Option("--no-video", help="With --save-flow: write these files alone.")
    ] = False,
    max_side: Annotated[
        int | None,
        typer.Option(metavar="PX", help="Shrink larger frames first; output and flow have the smaller size."),
    ] = None,
    full_size: Annotated[
        bool,
        typer.Option("--full-size", help="With --max-side: output and flow have the source's size again."),
    ] = False,
    start: StartOption = 0,
    frames: FramesOption = None,
    stride: StrideOption = 1,
    fps: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            show_default="25, or FFmpeg's guess",
            help="Frame rate of images and bare streams (.h264, ...), which hold no times.",
        ),
    ] = None,
    deinterlace: Annotated[
        Deinterlace, typer.Option(help="Make full frames of interlaced ones: where marked, of all, of none.")
    ] = Deinterlace.AUTO,
    decoder: Annotated[
        Decoder,
        typer.Option(help="What decodes a video: cuda is an NVIDIA GPU (NVDEC); auto is the CPU."),
    ] = Decoder.AUTO,
    encoder: Annotated[
        Encoder,
        typer.Option(help="What encodes an mp4: nvenc is an NVIDIA GPU that has it; auto is x264."),
    ] = Encoder.AUTO,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            parser=parse_text_path,
            metavar="FILE",
            help="Write counts and timings per stage. - is standard output.",
        ),
    ] = None,
) -> None:
    """Compute the optical flow of a clip and write it as a video, as flow files, or both.

    Exit codes: 0 done, 1 error, 2 wrong usage, 3 the input was damaged (what could be read is written),
    130 stopped with Ctrl-C (the file is completed and plays).
    """
    from dinoflow_deploy.cli.progress import TerminalProgress
    from dinoflow_deploy.engines import load_engine
    from dinoflow_deploy.engines.loading import check_source
    from dinoflow_deploy.video import Selection, VideoOptions, flow_video, open_source
    from dinoflow_deploy.video.flow_output import is_flow_clip
    from dinoflow_deploy.video.images import image_rate
    from dinoflow_deploy.video.outputs import check_outputs, default_output

    check_source(model, backend, device)
    if no_video:
        refuse_options(context, _DRAWING, "is for a video, and --no-video writes none: leave one of them out")
    if save_flow is not None and is_flow_clip(save_flow):
        refuse_options(context, ("flow_format",), f"is for files per pair, and {save_flow} holds all pairs")
    named, output = _split(inputs, output, overwrite=overwrite, no_video=no_video)
    if full_size and max_side is None:
        raise InputError("--full-size is for --max-side: say at which size flow is to be computed")
    options = VideoOptions(
        render=render.value,
        max_flow=max_flow,
        legend=legend,
        encoder=encoder.value,
        show=show,
        compute_side=max_side if full_size else None,
        selection=Selection(start, frames, stride),
        backward=backward,
        occlusion=occlusion,
        save_flow=save_flow,
        flow_format=flow_format.value,
        overwrite=overwrite,
    )
    rate = None if fps is None else image_rate(fps)
    _say_if_it_waits(named)
    with open_source(
        named,
        rate=rate,
        max_side=None if full_size else max_side,
        deinterlace=deinterlace.value,
        decoder=decoder.value,
    ) as source:
        output = None if no_video else output or default_output(named)
        # Everything that can be refused is refused before a model is loaded.
        read = [*source.files, Path(model)]
        (json_output,) = open_texts(json_file, overwrite=overwrite, inputs=read)
        reserve(context, json_output)
        check_outputs(output, options, source, json_file if json_output and json_output.is_file else None)
        if output is not None and output.is_fifo():
            typer.echo(f"{output} is a pipe: it is written at the end, when something reads it", err=True)
        how = engine_options(context)
        with load_engine(model, backend=backend, device=device, **how) as engine:
            _print_engine(model, engine)
            with TerminalProgress() as progress, stop_on_interrupt("completing the file") as stop:
                report = flow_video(source, engine, output, options, progress=progress, stop=stop)
    try:
        print_report(report, named, _as_given(context))
    finally:
        write_texts([(json_output, json.dumps(report.to_dict(), indent=2) + "\n")])
    raise typer.Exit(_exit_code(report))


def _split(
    paths: list[str], output: Path | None, *, overwrite: bool, no_video: bool
) -> tuple[list[str], Path | None]:
    """Tell inputs from output."""
    from dinoflow_deploy.video.images import is_image

    if output is not None or len(paths) == 1:
        return paths, output
    if all(Path(path).is_file() and is_image(Path(path)) for path in paths):
        if len(paths) == 3 and not no_video:
            raise typer.BadParameter(
                "three images are a sequence, or two and an output that exists: pass the output with --output"
            )
        return paths, None
    first, last = Path(paths[0]), Path(paths[-1])
    if no_video:
        raise typer.BadParameter(
            f"{last} would be the video, and --no-video writes none: leave one of them out"
        )
    replaces = overwrite and last.suffix.lower() in _OUTPUT_SUFFIXES
    if first.is_file() and not is_image(first) and last.is_file() and not replaces:
        raise InputError(
            f"{last} exists, and was taken for the output, which stands last: several clips are not taken at "
            "once; run the command for each, or name a new output with --output"
        )
    return paths[:-1], last


def _say_if_it_waits(inputs: list[str]) -> None:
    """A named pipe blocks whoever opens it until something writes into it."""
    for path in inputs:
        if Path(path).is_fifo():
            typer.echo(f"{path} is a pipe: waiting until something writes into it", err=True)


def _print_engine(model: str, engine: "FlowEngine") -> None:
    from dinoflow_deploy.models.builtin import builtin_models

    what = engine.describe()
    precision = "precision unknown" if what.precision == "unknown" else what.precision
    typer.echo(
        f"model: {what.model}, {precision}, {what.backend} on {what.device} ({what.provider})", err=True
    )
    if model in builtin_models():
        typer.echo(
            f"{model} is a built-in model, trained on synthetic scenes: --model takes your own", err=True
        )


def _as_given(context: typer.Context) -> list[str]:
    """The options given that decide what is computed: the next command must not compute something else."""
    params = context.command.params
    given = [each for each in params if each.name in _COMPUTING and context.params[each.name] != each.default]
    words = [(each.opts[0], context.params[each.name]) for each in given]
    own = engine_options(context)
    words += [(option.opts[0], own[option.name]) for option in own_options() if option.name in own]
    return [word for name, value in words for word in ([name] if value is True else [name, str(value)])]


def _exit_code(report: "VideoReport") -> int:
    if report.interrupted:
        return INTERRUPTED
    return INCOMPLETE if report.damage else 0
