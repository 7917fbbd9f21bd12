"""The command ``dinoflow-deploy``: one line per subcommand, and what every subcommand's errors look like.

A command file imports only what is cheap at its top; the modules that do the work are imported inside the
command's function, so that ``--help`` stays quick.
"""

import io
import os
import sys
import traceback
from typing import Annotated, Any

import typer

import dinoflow_deploy
from dinoflow_deploy.cli.bench import bench
from dinoflow_deploy.cli.commands import Command, Group
from dinoflow_deploy.cli.data import data
from dinoflow_deploy.cli.doctor import doctor
from dinoflow_deploy.cli.engine_command import EngineCommand
from dinoflow_deploy.cli.export import export
from dinoflow_deploy.cli.extract import ExtractCommand, extract
from dinoflow_deploy.cli.inspect import inspect
from dinoflow_deploy.cli.interrupt import INTERRUPTED, Terminated, heed_termination
from dinoflow_deploy.cli.plugin import plugin
from dinoflow_deploy.cli.selftest import selftest
from dinoflow_deploy.cli.train import train
from dinoflow_deploy.cli.values import printable
from dinoflow_deploy.cli.video import video
from dinoflow_deploy.errors import DinoFlowError
from dinoflow_deploy.system.freed_memory import keep_freed_memory
from dinoflow_deploy.system.system_errors import explain


class _ErrorPrinter(Group):
    """Turns what a subcommand raises into one or two lines and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Terminated as error:
            typer.echo("terminated", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise
        except typer.BadParameter as error:
            error.message = _of_value(error)
            raise
        except DinoFlowError as error:
            _fail(f"error: {error}", debug=ctx.params["debug"])
        except OSError as error:
            _fail(f"error: {explain(error)}", debug=ctx.params["debug"])
        except MemoryError:
            _fail("error: out of memory", debug=ctx.params["debug"])


def _of_value(error: typer.BadParameter) -> str:
    """What is wrong with a value: Typer's own checks are pydantic's, which do not name it."""
    message = error.message.removeprefix("Value error, ")
    of_pydantic = getattr(error.__cause__, "errors", None)
    if of_pydantic is None or not message.startswith("Input should be "):
        return message
    wanted = message.removeprefix("Input should be ").split(", unable to")[0]
    return f"{of_pydantic()[0]['input']!r} is not {wanted}"


def _fail(message: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    typer.echo(printable(message), err=True)
    raise typer.Exit(1)


class _JsonPrinter(Command):
    """A command whose ``--json`` prints, and takes the ``-`` of those whose ``--json`` names a file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        args = ["--json" if word == "--json=-" else word for word in args]
        pairs = zip([None, *args], args, strict=False)
        return super().parse_args(ctx, [word for before, word in pairs if (before, word) != ("--json", "-")])


app = typer.Typer(
    name="dinoflow-deploy",
    cls=_ErrorPrinter,
    help="Takes the DinoFlow optical-flow model from PyTorch to production.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dinoflow-deploy {dinoflow_deploy.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options that stand before the command."""


app.command(cls=EngineCommand)(bench)
app.add_typer(data, name="data")
app.command(cls=_JsonPrinter)(doctor)
app.command(cls=Command)(export)
app.command(cls=ExtractCommand)(extract)
app.command(cls=_JsonPrinter)(inspect)
app.add_typer(plugin, name="plugin")
app.command(cls=EngineCommand)(selftest)
app.command(cls=Command)(train)
app.command(cls=EngineCommand)(video)


def main() -> None:
    """Run the command line and exit: 0 done, 1 error, 2 wrong usage, 130 after Ctrl-C, 143 after ``kill``."""
    heed_termination()
    _escape_what_cannot_be_shown()
    # What OpenCV cannot read is said by us, with the file's name; OpenCV asks for this when it is loaded.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    keep_freed_memory()
    try:
        app(prog_name="dinoflow-deploy")
    except Exception as error:  # not raised on purpose: a defect, of ours or of a library
        if "--debug" in sys.argv:
            raise
        message = printable(f"error: unexpected {type(error).__name__}: {error}")
        sys.exit(f"{message}\nTo see where: dinoflow-deploy --debug ...")
    finally:
        _flush_quietly()


def _escape_what_cannot_be_shown() -> None:
    """A name that the terminal cannot show, or that is no text, is printed escaped and ends no command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush_quietly() -> None:
    """Flush what is printed, quiet when the reader of a pipe has gone."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more as it ends: give it somewhere to write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
