"""``dinoflow-deploy data``: check a data set, or write a synthetic one."""

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dinoflow_deploy.cli.commands import Command, Group
from dinoflow_deploy.cli.text_output import open_texts, reserve, write_texts
from dinoflow_deploy.cli.values import parse_path, parse_size, parse_text_path
from dinoflow_deploy.progress import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinoflow_deploy.datasets.checking.check_report import PartReport

NAMES = (
    "sintel-clean, sintel-final, kitti-2015, kitti-2012, flyingchairs, things-clean, things-final, "
    "things-subset-clean, things-subset-final, hd1k, spring, pairs"
)
SHEET_SAMPLES = 6
SHOWN_FAULTS = 10

data = typer.Typer(help="Check a data set, or write a synthetic one.", no_args_is_help=True, cls=Group)


class Layout(StrEnum):
    """Layouts of synthetic data sets."""

    CHAIRS = "chairs"
    THINGS = "things"
    SINTEL = "sintel"
    KITTI = "kitti"


@data.command(cls=Command)
def check(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help=f"One of {NAMES} (a table of your own).")],
    root: Annotated[
        Path,
        typer.Argument(
            parser=parse_path, metavar="ROOT", help="Folder of the data set, or the one above it."
        ),
    ],
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="List missing files, but do not fail because of them.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Read N pairs of each part, spread evenly."),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path, metavar="FILE.png", help=f"Draw {SHEET_SAMPLES} random pairs with their flow."
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            parser=parse_text_path,
            metavar="FILE",
            help="Write everything that was found. - is standard output.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default="cores, at most 8", help="Pairs read at a time."),
    ] = None,
) -> None:
    """Read every pair of a data set: counts, missing, damaged and mis-sized files, range of the flow.

    Exit codes: 0 all is well, 1 something is broken, 2 wrong usage.
    """
    from dinoflow_deploy.cli.progress import TerminalProgress
    from dinoflow_deploy.datasets.checking.check import check_dataset
    from dinoflow_deploy.datasets.checking.contact_sheet import check_sheet, write_sheet
    from dinoflow_deploy.datasets.registry import read_paths

    inputs = list(read_paths(name, root))
    if sheet is not None:
        check_sheet(sheet, overwrite=overwrite, inputs=inputs)
    (json_output,) = open_texts(json_file, overwrite=overwrite, inputs=inputs)
    reserve(context, json_output, others=[] if sheet is None else [sheet])
    with TerminalProgress() as progress:
        report = check_dataset(
            name,
            root,
            allow_missing=allow_missing,
            limit=limit,
            workers=workers or min(os.cpu_count() or 1, 8),
            samples=SHEET_SAMPLES if sheet is not None else 0,
            progress=progress,
        )
    for part in report.parts:
        _print_part(part)
    try:
        if sheet is not None:
            write_sheet(sheet, report.samples, overwrite=overwrite)
            typer.echo(f"wrote {sheet}: {counted(len(report.samples), 'pairs')}")
    finally:
        write_texts([(json_output, json.dumps(report.to_dict(), indent=2) + "\n")])
    title = f"{name} (synthetic)" if report.synthetic else name
    typer.echo(f"{title}: {'all is well' if report.ok else 'BROKEN'}")
    if not report.ok:
        raise typer.Exit(1)


@data.command(cls=Command)
def synth(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            parser=parse_path,
            metavar="DIR",
            help="Folder to write; the root of the data set.",
        ),
    ],
    layout: Annotated[Layout, typer.Option(help="Whose layout and file formats.")],
    pairs: Annotated[int, typer.Option(min=1, metavar="N", help="Frame pairs with flow.")] = 20,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW", show_default="that of the real data set", help="Height and width of frames."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of everything random.")] = 0,
    textures: Annotated[
        Path | None,
        typer.Option(
            parser=parse_path,
            metavar="DIR",
            show_default="drawn patterns",
            help="Cut textures from the photographs in this folder.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace synthetic data that exists, and nothing else.")
    ] = False,
) -> None:
    """Write synthetic scenes in the exact layout of FlyingChairs, FlyingThings3D, Sintel or KITTI 2015.

    The folder appears whole or not at all. things counts both directions of the flow, so N is rounded up to
    an even number.
    """
    from dinoflow_deploy.cli.progress import TerminalProgress
    from dinoflow_deploy.datasets.scenes.synthetic_tree import TREE_LAYOUTS, write_synthetic_tree

    with TerminalProgress() as progress:
        written = write_synthetic_tree(
            layout.value,
            output,
            pairs=pairs,
            size=None if size is None else parse_size(size),
            seed=seed,
            photographs=textures,
            overwrite=overwrite,
            progress=progress,
        )
    typer.echo(f"wrote {output}: {counted(written, 'pairs')}")
    for name in TREE_LAYOUTS[layout.value].names:
        typer.echo(f"next: dinoflow-deploy data check {name} {output}")


def _print_part(part: "PartReport") -> None:
    from dinoflow_deploy.cli.tables import print_labelled

    if part.absent:
        typer.echo(f"{part.name}: not there ({part.absent})")
        return
    typer.echo(f"{part.name}: {_pairs_text(part)}")
    print_labelled(((f"  {label}", line) for label, line in _part_lines(part)), plain_width=12)
    _print_faults(part)


def _part_lines(part: "PartReport") -> "Iterator[tuple[str, str]]":
    totals = part.totals.to_dict()
    if totals["u_range"]:
        sizes = ", ".join(f"{size} ({count})" for size, count in part.sizes.most_common(5))
        more = f" and {len(part.sizes) - 5} other sizes" if len(part.sizes) > 5 else ""
        yield "size", f"{sizes}{more}"
        u, v = totals["u_range"], totals["v_range"]
        longest = f"longest {totals['longest']:.1f}, mean {totals['mean_length']:.2f} px"
        yield "flow", f"u {u[0]:.1f} to {u[1]:.1f}, v {v[0]:.1f} to {v[1]:.1f}, {longest}"
    if totals["valid_share"] is not None:
        occluded = totals["occluded_share"]
        hidden = f", {100 * occluded:.1f} % of it occluded" if occluded is not None else ""
        yield "truth", f"{100 * totals['valid_share']:.1f} % of the pixels{hidden}"
    for note in part.notes:
        yield "note", note
    if part.without_truth:
        count, example = len(part.without_truth), part.without_truth[0]
        yield "note", f"no pixel has truth in {count} pairs, such as {example}"


def _pairs_text(part: "PartReport") -> str:
    published = " of synthetic scenes" if part.synthetic else ""
    if part.published is not None:
        same = "as published" if part.pairs == part.published else f"of {part.published} published"
        published = f" {same}"
    read = "all read" if part.read == part.pairs else f"{part.read} read"
    return f"{counted(part.pairs, 'pairs')}{published}, {read}"


def _print_faults(part: "PartReport") -> None:
    for kind, title in (("missing", "missing"), ("damaged", "damaged"), ("size", "mis-sized")):
        faults = [fault for fault in part.faults.values() if fault.kind == kind]
        typer.echo(f"  {title:<10}{len(faults) or 'none'}")
        for fault in faults[:SHOWN_FAULTS]:
            typer.echo(f"    {fault.message}")
        if len(faults) > SHOWN_FAULTS:
            typer.echo(f"    and {len(faults) - SHOWN_FAULTS} more: --json FILE lists all")
