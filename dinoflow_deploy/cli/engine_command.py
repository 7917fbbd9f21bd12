"""What commands that run an engine have in common: options that are read from the rows of the backends."""

from functools import cache
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from dinoflow_deploy.cli.commands import Command, without_types
from dinoflow_deploy.cli.values import choices, parse_reference

if TYPE_CHECKING:
    from dinoflow_deploy.engines.backend import Option

MODELS: Final = "{models}"
"""Stands in the help of an option for what ``load_engine`` takes."""
BACKENDS: Final = "{backends}"
"""Likewise for the names of backends."""
TRIED: Final = "{tried}"
"""Likewise for what a self-test tries."""
ModelOption = Annotated[str, typer.Option(parser=parse_reference, metavar="MODEL", help=f"{MODELS}.")]
BackendOption = Annotated[str, typer.Option(metavar="NAME", help=f"{BACKENDS}.")]
DeviceOption = Annotated[
    str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:N, intel-gpu or intel-npu.")
]
_GIVEN: Final = "options of the engine"


class EngineCommand(Command):
    """A command with ``--backend``, and behind ``--device`` each option that a row describes."""

    def get_params(self, ctx: Any) -> list[Any]:
        """As ``Command``'s, with these options, and names in place of ``{models}`` and so on."""
        params: list[Any] = []
        for param in super().get_params(ctx):
            for words, names in _NAMES.items():
                if words in (getattr(param, "help", None) or ""):
                    param.help = param.help.replace(words, names())
            params += [param, *own_options()] if param.name == "device" else [param]
        return params


def engine_options(context: typer.Context) -> dict[str, Any]:
    """What the command line says of the engine's own options: arguments of ``load_engine``."""
    given: dict[str, Any] = context.meta.get(_GIVEN, {})
    return given


def own_options() -> list[Any]:
    """The options of the rows, one for each name."""
    from dinoflow_deploy.engines.backends import all_backends

    described = {
        option.name: option for backend in all_backends() for option in backend.options if option.help
    }
    return [_parameter(option) for option in described.values()]


@cache
def _parameter(option: "Option") -> Any:
    flag = f"--{option.name.replace('_', '-')}"
    kind: Any = choices(flag, option.choices) | None if option.choices else bool
    annotation = Annotated[kind, typer.Option(flag, help=option.help)]

    def command(**given: Any) -> None:
        pass

    # Typer reads the parameters from here.
    given = Parameter(
        "given", Parameter.KEYWORD_ONLY, default=None if option.choices else False, annotation=annotation
    )
    vars(command)["__signature__"] = Signature([given])
    # Made by Typer, whose own class of options takes other arguments in each release.
    holder = typer.Typer(add_completion=False)
    holder.command(cls=Command)(command)
    (made,) = without_types(typer.main.get_command(holder).params)
    made.name, made.expose_value, made.callback = option.name, False, _keep
    return made


def _keep(context: Any, option: Any, given: Any) -> None:
    if given:
        context.meta.setdefault(_GIVEN, {})[option.name] = given if given is True else str(given)


def _models() -> str:
    from dinoflow_deploy.engines.backends import all_kinds, compared_by_name
    from dinoflow_deploy.models.builtin import builtin_models
    from dinoflow_deploy.models.published import published_models

    suffixes = [suffix for kind in all_kinds().values() for suffix in kind.suffixes[:1]]
    words = [f"{', '.join(builtin_models())} (built in)", *published_models(), "bundle", *suffixes]
    addresses = [kind.address for kind in all_kinds().values() if kind.address]
    return ", ".join([*words, *compared_by_name(), *addresses])


def _backends() -> str:
    from dinoflow_deploy.engines.backends import all_backends

    return ", ".join(["auto", *(backend.name for backend in all_backends() if backend.is_for_models)])


def _tried() -> str:
    from dinoflow_deploy.selftest.cases import BUILT_ONLY, backend_names

    run = [name for name in backend_names() if name not in BUILT_ONLY]
    return f"{', '.join(run)}, or {', '.join(BUILT_ONLY)} (built, not run)"


_NAMES: Final = {MODELS: _models, BACKENDS: _backends, TRIED: _tried}
