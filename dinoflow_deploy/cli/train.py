"""``dinoflow-deploy train``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinoflow_deploy.cli.interrupt import INTERRUPTED
from dinoflow_deploy.cli.progress import TerminalProgress
from dinoflow_deploy.cli.values import parse_path, parse_reference
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.progress import NoProgress, Progress
from dinoflow_deploy.system.freed_memory import keep_freed_memory
from dinoflow_deploy.system.optional import require

if TYPE_CHECKING:
    from dinoflow_deploy.train.trainer import TrainingResult


def train(
    recipe: Annotated[
        str,
        typer.Option(
            parser=parse_reference, metavar="NAME|FILE", help="Recipe of this package, or a .toml file."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option(parser=parse_path, metavar="DIR", help="Folder of the run.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the folder's checkpoint, if it holds one.")
    ] = False,
    init_from: Annotated[
        str | None,
        typer.Option(
            parser=parse_reference,
            metavar="MODEL",
            help="Start a new run from a complete .safetensors model or a built-in one.",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            parser=parse_reference,
            metavar="DIR|hub:OWNER/NAME",
            help="Folder that holds the data sets, or their repository on the hub.",
        ),
    ] = None,
    nproc: Annotated[
        int, typer.Option(min=1, metavar="N", help="Training processes on this machine, joined by DDP.")
    ] = 1,
    device: Annotated[str, typer.Option(metavar="NAME", help="auto, cpu or cuda.")] = "auto",
    show: Annotated[
        bool, typer.Option("--show", help="Print the recipe, to copy and change, and stop.")
    ] = False,
) -> None:
    """Train a model by a recipe.

    On several machines, run on each: torchrun --nnodes N --nproc-per-node GPUS --rdzv-backend c10d
    --rdzv-endpoint HOST:29500 -m dinoflow_deploy train --recipe ... --output ...
    """
    require("torch", "training")
    from dinoflow_deploy.train.distributed import choose_device, launch, launched_by_torchrun, process_group
    from dinoflow_deploy.train.recipe import load_recipe, recipe_text

    if show:
        typer.echo(recipe_text(recipe))
        return
    if output is None:
        raise typer.BadParameter("--output RUN is needed: the folder of the run")
    checked = load_recipe(recipe)
    from dinoflow_deploy.train.data_folder import DataFolder
    from dinoflow_deploy.train.trainer import check_run
    from dinoflow_deploy.train.trainer import train as run

    weights = _weights(init_from) if init_from else None
    data = DataFolder(dataset)
    if nproc > 1 and not launched_by_torchrun():
        choose_device(device)
        check_run(checked, output, nproc, resume=resume, init_from=weights, data=data)
        raise typer.Exit(launch(nproc))

    with process_group(device) as process, TerminalProgress() as shown:
        progress: Progress = shown if process.is_main else NoProgress()
        if process.device.type == "cpu":
            keep_freed_memory(of_any_size=True)
        progress.note(f"training on {process.device} in {process.world_size} process(es)")
        result = run(checked, output, process, resume=resume, init_from=weights, data=data, progress=progress)
    if process.is_main:
        _print(result, init_from)
    if not result.finished:
        raise typer.Exit(INTERRUPTED)


def _weights(name: str) -> Path:
    """The file of the model that a run starts from, refused here before data sets are read."""
    from dinoflow_deploy.models.builtin import builtin_models
    from dinoflow_deploy.models.unknown_model import unknown_model

    models = builtin_models()
    path = models[name].weights if name in models else Path(name)
    if not path.is_file():
        raise InputError(f"--init-from {name}: {unknown_model(name, {'built-in': models})}")
    return path


def _print(result: "TrainingResult", started_from: str | None) -> None:
    folder = result.folder
    if result.finished:
        typer.echo(f"done: {result.step} steps, {_errors(result)}")
    else:
        instead = " in place of --init-from" if started_from else ""
        typer.echo(f"stopped at step {result.step}; to go on: the same command with --resume{instead}")
    # Not there before the first validation.
    if folder.best.exists():
        typer.echo(f"best model  {folder.best}{' (the start)' if result.start_is_best else ''}")
    typer.echo(f"last model  {folder.last}")
    if result.finished:
        typer.echo(f"curves      tensorboard --logdir {folder.tensorboard}")
        typer.echo(f"next        dinoflow-deploy export --model {folder.best} --output bundle")


def _errors(result: "TrainingResult") -> str:
    if result.start_epe is None:
        return f"best validation EPE {result.best_epe:.3f} px"
    if result.start_is_best:
        return (
            f"the start, validation EPE {result.start_epe:.3f} px, was never beaten: a lower learning_rate, "
            "more pairs or more steps may"
        )
    return f"validation EPE {result.start_epe:.3f} px at the start, {result.best_epe:.3f} px at its best"
