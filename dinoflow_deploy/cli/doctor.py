"""``dinoflow-deploy doctor``: what is installed, what works, and what to do about the rest."""

import json
import signal
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinoflow_deploy.doctor.examination import Check, Report


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show what is installed, what of it works here, and how to get the rest.

    Exits 1 if something that is installed does not work.
    """
    from rich.console import Console

    from dinoflow_deploy.doctor.examination import examine

    # Nothing to clean up after, and a probe that hangs would be waited for.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with Console(stderr=True).status("trying everything out ..."):
        report = examine()
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _show(report)
    if report.problems:
        raise typer.Exit(1)


def _show(report: "Report") -> None:
    from dinoflow_deploy.cli.tables import print_labelled, print_line

    print_line(f"dinoflow-deploy {report.version} on Python {report.python}", "bold")
    print_labelled(_lines(report))
    for title, advices in (("Problems", report.problems), ("Not installed", report.missing)):
        if advices:
            print_line(f"\n{title}", "bold red" if title == "Problems" else "bold")
        for advice in advices:
            print_line(f"  {advice.about}: {advice.effect}")
            # There to be copied.
            print_line(f"      {advice.command}", "cyan", fold=False)


def _lines(report: "Report") -> "Iterator[tuple[str, str]]":
    machine = report.machine
    yield "machine", f"{machine.processor}, {machine.cores} cores, {_gib(machine.memory_bytes)}"
    yield "", machine.system
    for gpu in machine.gpus:
        capability = f"compute capability {gpu.compute_capability}, driver {gpu.driver}"
        yield "GPU", f"{gpu.name}, {_gib(gpu.memory_bytes)}, {capability}"
    if not machine.gpus:
        yield "GPU", "none from NVIDIA"
    installed = [f"{package.name} {package.version}" for package in report.packages if package.version]
    yield "packages", ", ".join(installed)
    yield from _checks("runs on", report.runtimes)
    yield from _checks("models", report.models)
    for cache in report.caches:
        yield "downloads", f"{cache.path} ({cache.name}; {_gib(cache.free_bytes)} free)"


def _checks(label: str, checks: "tuple[Check, ...]") -> "Iterator[tuple[str, str]]":
    for index, check in enumerate(checks):
        outcome = f"no  {check.name}: {check.problem}" if check.problem else f"yes {check.name}"
        yield "" if index else label, outcome


def _gib(count: int | None) -> str:
    return "memory not known" if count is None else f"{count / (1 << 30):.1f} GiB"
