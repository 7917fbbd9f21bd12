"""``dinoflow-deploy selftest``: everything tried on this machine, in one file to send."""

from pathlib import Path
from typing import Annotated

import typer

from dinoflow_deploy.cli.engine_command import TRIED
from dinoflow_deploy.cli.text_output import TextOutput, write_texts
from dinoflow_deploy.cli.values import parse_path, parse_reference, parse_size

NOTHING_TRIED = 4
"""Exit code where every case lacks something."""

_HEAD = "Decoder weights of vits16; default: the hub's, where they can be had."
_BACKBONE = "Backbone weights of vits16; default: the hub's, where they can be had."


def selftest(
    model: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="nano or vits16; default: both.")
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"{TRIED}; default: all."),
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="HxW", help="Shape of static engines and of the frames for speed, in px.")
    ] = "448x1024",
    head: Annotated[str | None, typer.Option(parser=parse_reference, metavar="FILE", help=_HEAD)] = None,
    backbone_weights: Annotated[
        str | None, typer.Option(parser=parse_reference, metavar="FILE", help=_BACKBONE)
    ] = None,
    seconds: Annotated[float, typer.Option(metavar="S", help="Length of each measurement of speed.")] = 2.0,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", parser=parse_path, metavar="STEM", help="Writes STEM.json and STEM.md."
        ),
    ] = Path("dinoflow-selftest"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Try every export, engine and plugin that this machine can run, and write down what came of it.

    Exports and builds by the commands that you would type, compares flow with PyTorch in pixels, measures.
    Building every TensorRT engine of vits16 takes most of the time. What cannot be tried here is listed with
    what is missing. Of several GPUs the first is tried; with CUDA_VISIBLE_DEVICES=1 in the environment, the
    second.

    Exit codes: 0 all that was tried passed, 1 a case failed, 2 wrong usage, 4 nothing could be tried,
    130 stopped with Ctrl-C.
    """
    from dinoflow_deploy.cli.interrupt import INTERRUPTED, stop_on_interrupt
    from dinoflow_deploy.cli.progress import TerminalProgress
    from dinoflow_deploy.cli.tables import print_parts
    from dinoflow_deploy.selftest import SelfTestOptions, run_selftest
    from dinoflow_deploy.selftest.cases import MODELS, backend_names
    from dinoflow_deploy.selftest.results import SelfTestResult
    from dinoflow_deploy.selftest.tables import markdown, parts

    weights = [Path(name) for name in (head, backbone_weights) if name is not None]
    json_output, table = (
        TextOutput(output.with_name(output.name + suffix), overwrite=overwrite, inputs=weights)
        for suffix in (".json", ".md")
    )
    options = SelfTestOptions(
        models=tuple(model or MODELS),
        backends=tuple(backend or backend_names()),
        size=parse_size(size),
        head=head,
        backbone_weights=backbone_weights,
        seconds=seconds,
    )

    def save(done: SelfTestResult) -> None:
        json_output.save(done.to_json())
        table.save(markdown(done))

    with TerminalProgress() as progress, stop_on_interrupt("writing what is done") as stop:
        result = run_selftest(options, progress, stop=stop, save=save)
    print_parts(parts(result))
    write_texts([(json_output, result.to_json()), (table, markdown(result))])
    typer.echo(f"wrote {json_output.path} and {table.path}")
    if result.partial:
        raise typer.Exit(INTERRUPTED)
    if result.nothing_tried:
        raise typer.Exit(NOTHING_TRIED)
    if result.counts["failed"]:
        raise typer.Exit(1)
