"""``dinoflow-deploy plugin``: compile TensorRT's plugin, or show what there is of it."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinoflow_deploy.cli.commands import Command, Group
from dinoflow_deploy.cli.values import parse_path

if TYPE_CHECKING:
    from dinoflow_deploy.tensorrt.flavours import Flavour

plugin = typer.Typer(help="TensorRT's plugin for the local correlation.", no_args_is_help=True, cls=Group)


class FlavourChoice(StrEnum):
    """Which TensorRT."""

    AUTO = "auto"
    TENSORRT = "tensorrt"
    RTX = "rtx"


_Flavour = Annotated[
    FlavourChoice, typer.Option(help="TensorRT or TensorRT-RTX; auto: the first that is installed.")
]
_Root = Annotated[
    Path | None,
    typer.Option(
        parser=parse_path,
        metavar="DIR",
        show_default="$TENSORRT_ROOT, then the system's folders",
        help="Folder that holds the include folder with TensorRT's C++ headers.",
    ),
]


@plugin.command(cls=Command)
def build(
    flavour: _Flavour = FlavourChoice.AUTO,
    tensorrt_root: _Root = None,
    architectures: Annotated[
        str, typer.Option(metavar="CC,...", help="GPUs: compute capabilities times ten, 90 for Hopper.")
    ] = "80,90",
) -> None:
    """Compile the C++ plugin into the user's cache, where export finds it.

    Needs nvcc (CUDACXX, the PATH, CUDA_HOME or /usr/local/cuda; pip's too), g++ and TensorRT's C++ headers of
    the installed major version.
    """
    from dinoflow_deploy.export.plugin.build import build_library

    chosen = _chosen(flavour)
    trt = chosen.load("building its plugin")
    library = build_library(
        chosen, trt.__version__, root=tensorrt_root, architectures=_parse_architectures(architectures)
    )
    typer.echo(library)


@plugin.command(cls=Command)
def show(flavour: _Flavour = FlavourChoice.AUTO, tensorrt_root: _Root = None) -> None:
    """Show the compiled plugins, the shipped PTX, and what compiling would use.

    Exits 1 if something is missing.
    """
    from dinoflow_deploy.cli.tables import print_labelled
    from dinoflow_deploy.export.plugin.status import plugin_status

    status = plugin_status(_chosen(flavour), tensorrt_root)
    compiled = [("compiled", str(library)) for library in status.libraries]
    needs = ((need.name, need.found or f"MISSING: {need.problem}") for need in status.needs)
    print_labelled([*(compiled or [("compiled", "nothing yet")]), *needs], plain_width=10)
    if any(need.problem for need in status.needs):
        raise typer.Exit(1)


def _chosen(choice: FlavourChoice) -> "Flavour":
    from dinoflow_deploy.tensorrt.flavours import FLAVOURS, TENSORRT, find_flavour

    if choice is not FlavourChoice.AUTO:
        return find_flavour(choice.value)
    return next((flavour for flavour in FLAVOURS if flavour.is_installed), TENSORRT)


def _parse_architectures(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(f"--architectures is {text}: give numbers such as 80,90")
    return [int(part) for part in parts]
