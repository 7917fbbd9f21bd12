"""``dinoflow-deploy bench``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinoflow_deploy.cli.engine_command import BACKENDS, MODELS, DeviceOption, engine_options
from dinoflow_deploy.cli.interrupt import INTERRUPTED, stop_on_interrupt
from dinoflow_deploy.cli.text_output import TextOutput, open_texts, reserve, write_texts
from dinoflow_deploy.cli.values import parse_path, parse_reference, parse_root, parse_size, parse_text_path

if TYPE_CHECKING:
    from dinoflow_deploy.bench.results import BenchResult

_MODEL = f"{MODELS}; may be repeated."
_BACKEND = f"{BACKENDS}; every model runs on each."
_DATASET = "Names, comma-separated, as `data check` takes them; without one, speed alone."
_ROOT = "Folder of the data sets; NAME=DIR for one of its own."
_LIMIT = "Pairs of each data set, spread evenly over it."


def bench(
    context: typer.Context,
    model: Annotated[
        list[str] | None,
        typer.Option(
            parser=parse_reference,
            metavar="MODEL",
            help=_MODEL,
            show_default="nano",
        ),
    ] = None,
    backend: Annotated[str, typer.Option(metavar="NAME,...", help=_BACKEND)] = "auto",
    device: DeviceOption = "auto",
    precision: Annotated[
        str | None, typer.Option(metavar="fp32|fp16|bf16", help="What every engine must compute in.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(metavar="NAME,...", help=_DATASET)] = None,
    root: Annotated[
        list[str] | None, typer.Option(parser=parse_root, metavar="DIR|NAME=DIR", help=_ROOT)
    ] = None,
    size: Annotated[str, typer.Option(metavar="HxW", help="Frames that speed is measured on.")] = "448x1024",
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Pairs per call.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help=_LIMIT, show_default="all")] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out pairs with missing files, and list the files.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Threads that read pairs.")] = 2,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Turns of each engine for speed.")] = 5,
    seconds: Annotated[float, typer.Option(metavar="S", help="Length of a turn.")] = 2.0,
    no_speed: Annotated[bool, typer.Option("--no-speed", help="Measure accuracy alone.")] = False,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            parser=parse_text_path,
            metavar="FILE",
            help="Write everything; saved every 30 s. - is standard output.",
        ),
    ] = None,
    csv_file: Annotated[
        Path | None,
        typer.Option("--csv", parser=parse_text_path, metavar="FILE", help="Write every figure on a line."),
    ] = None,
    markdown_file: Annotated[
        Path | None,
        typer.Option(
            "--markdown",
            parser=parse_text_path,
            metavar="FILE",
            help="Write the tables, which are printed so too where standard output is no terminal.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path, metavar="DIR", help="Write DIR/index.html: tables, charts and pictures."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the interrupted run in the --json file.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Measure accuracy on data sets through any engine, and its speed.

    Engines are every model on every backend; differences and ratios are to the first. One that fails is
    left out and named with its reason, the others go on, and the exit code is 1. Ctrl-C prints what is done,
    marked partial, with exit code 130.
    """
    from dinoflow_deploy.bench.benchmark import BenchOptions, run_benchmark
    from dinoflow_deploy.bench.report import PAGE_NAME, Report
    from dinoflow_deploy.bench.results import BenchResult
    from dinoflow_deploy.bench.tables import csv_text, markdown, parts
    from dinoflow_deploy.cli.progress import TerminalProgress
    from dinoflow_deploy.cli.tables import print_parts
    from dinoflow_deploy.datasets.registry import read_paths
    from dinoflow_deploy.engines.loading import check_source

    options = BenchOptions(
        models=tuple(model or ["nano"]),
        backends=tuple(_names(backend)),
        device=device,
        engine_options=engine_options(context),
        precision=precision,
        datasets=_roots(_names(dataset), root or []),
        size=parse_size(size),
        batch=batch,
        limit=limit,
        workers=workers,
        rounds=rounds,
        seconds=seconds,
        speed=not no_speed,
        allow_missing=allow_missing,
    )
    if len(sources := list(options.sources().values())) == 1:
        # Before an output that exists; of several, one that cannot be loaded is left out.
        check_source(sources[0].model, sources[0].backend, sources[0].device)
    inputs = [
        *map(Path, options.models),
        *(path for name, folder in options.datasets.items() for path in read_paths(name, folder)),
    ]
    page_file = report / PAGE_NAME if report is not None else None
    json_output, page = open_texts(json_file, page_file, overwrite=overwrite or resume, inputs=inputs)
    csv_output, markdown_output = open_texts(csv_file, markdown_file, overwrite=overwrite, inputs=inputs)
    if resume and not (json_output and json_output.is_file):
        raise typer.BadParameter("--resume goes on with the run in a --json file: name it")
    reserve(context, json_output, page, csv_output, markdown_output)
    pictures = Report()
    before = BenchResult.read(json_file) if resume and json_file and json_file.exists() else None
    with TerminalProgress() as progress, stop_on_interrupt("finishing this batch") as stop:
        result = run_benchmark(
            options,
            progress,
            stop=stop,
            save=(lambda found: json_output.save(found.to_json())) if json_output else None,
            before=before,
            show=pictures.show if page else None,
        )
    print_parts(parts(result))
    write_texts(
        [
            (json_output, result.to_json()),
            (csv_output, csv_text(result)),
            (markdown_output, markdown(result)),
            (page, pictures.html(result) if page else ""),
        ]
    )
    if page:
        typer.echo(f"report      {page.path}", err=True)
    _finish(result, json_output)


def _finish(result: "BenchResult", json_output: TextOutput | None) -> None:
    if result.partial:
        if json_output is not None and json_output.is_file:
            typer.echo(
                f"interrupted; to go on: the same command with --json {json_output.path} --resume", err=True
            )
        raise typer.Exit(INTERRUPTED)
    if result.failures:
        failed = ", ".join(dict.fromkeys(each.engine for each in result.failures))
        typer.echo(f"error: {failed} failed, and the result holds the others", err=True)
        raise typer.Exit(1)


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _roots(datasets: list[str], roots: list[str]) -> dict[str, str]:
    """The root of each data set."""
    own = dict(root.split("=", 1) for root in roots if "=" in root)
    common = [root for root in roots if "=" not in root]
    if unknown := sorted(set(own) - set(datasets)):
        raise typer.BadParameter(f"--root names {', '.join(unknown)}, and --dataset does not")
    if len(common) > 1:
        raise typer.BadParameter(f"--root is given {len(common)} times without a name: use NAME=DIR")
    missing = [name for name in datasets if name not in own and not common]
    if missing:
        raise typer.BadParameter(f"--root DIR is needed: the folder of {', '.join(missing)}")
    return {name: own.get(name) or common[0] for name in datasets}
