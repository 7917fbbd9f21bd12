"""The page: tables, charts, pictures and what they were measured on, in one file."""

import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final

from dinoflow_deploy.bench.benchmark import Shown
from dinoflow_deploy.bench.report.charts import Axis, even_axis, line_chart
from dinoflow_deploy.bench.report.pictures import PairPictures, draw_pair, error_colors
from dinoflow_deploy.bench.report.style import STYLE
from dinoflow_deploy.bench.results import BenchResult, DatasetResult, Failure, SpeedResult
from dinoflow_deploy.bench.tables import dataset_tables, failures_table, speed_table
from dinoflow_deploy.tables import Table

PAGE_NAME: Final = "index.html"
"""Of the page, in the folder of a report."""


class Report:
    """Collects pictures while a benchmark runs, for the page at its end."""

    def __init__(self) -> None:
        self._pictures: dict[str, list[PairPictures]] = {}

    def show(self, shown: Shown) -> None:
        """Draw a pair; a few hundred kilobytes of it are kept."""
        self._pictures.setdefault(shown.dataset, []).append(draw_pair(shown))

    def html(self, result: BenchResult) -> str:
        """The page as text."""
        title = "dinoflow-deploy bench"
        body = "".join(self._sections(result))
        # From where the maps have them, so that the two cannot differ.
        style = STYLE.replace("ERROR_COLORS", ", ".join(error_colors()))
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{title}</title><style>{style}</style></head>"
            f"<body><main><h1>{title}</h1>{body}</main></body></html>\n"
        )

    def _sections(self, result: BenchResult) -> Iterator[str]:
        if result.partial:
            yield '<p class="partial">Partial: the run was interrupted.</p>'
        yield _summary(result)
        if result.failures:
            yield f"<section>{_table(failures_table(result.failures))}</section>"
        for dataset in result.datasets:
            yield self._dataset(dataset, result.failures)
        if result.speed:
            yield _speed(result.speed, result.failures)
        yield _environment(result)

    def _dataset(self, dataset: DatasetResult, failures: Sequence[Failure]) -> str:
        tables = "".join(map(_table, dataset_tables(dataset, failures)))
        pictures = "".join(map(_pair, self._pictures.get(dataset.dataset, [])))
        return (
            f"<section><h2>{escape(dataset.title)}</h2>{tables}{_by_displacement(dataset)}"
            f"{pictures}</section>"
        )


def _summary(result: BenchResult) -> str:
    engines = "".join(
        f"<li><b>{escape(label)}</b> {escape(_engine_text(engine))}</li>"
        for label, engine in result.engines.items()
    )
    versions = result.environment.get("versions", {})
    machine = result.environment.get("machine", {})
    where = f"dinoflow-deploy {versions.get('dinoflow-deploy', '')} on {_machine_text(machine)}"
    return f'<p class="where">{escape(where)}</p><ul class="engines">{engines}</ul>'


def _engine_text(engine: dict[str, Any]) -> str:
    shown = ("model", "backend", "provider", "device", "precision")
    return ", ".join(str(engine[name]) for name in shown if engine.get(name))


def _machine_text(machine: dict[str, Any]) -> str:
    gpus = [
        str(gpu.get("name", gpu)) if isinstance(gpu, dict) else str(gpu) for gpu in machine.get("gpus", [])
    ]
    parts = [str(machine.get("processor", "")), f"{machine.get('cores', '?')} cores"]
    return ", ".join([*parts, *(gpus or ["no GPU"])])


def _table(table: Table) -> str:
    header = "".join(f"<th>{escape(cell)}</th>" for cell in table.header)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    note = f'<p class="note">{escape(table.legend)}</p>' if table.legend else ""
    return (
        f"<h3>{escape(table.title)}</h3>"
        f'<div class="wide"><table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></div>{note}'
    )


def _by_displacement(dataset: DatasetResult) -> str:
    """Chart of the error over the length of the true motion, with the share of pixels of each length."""
    measured = {each.engine: each.accuracy for each in dataset.engines if each.accuracy}
    if not measured:
        return ""
    bins = next(iter(measured.values())).displacement
    last = max(place for place, each in enumerate(bins) if each.pixels)
    names = [f"{each.low:g}+" if each.high is None else f"{each.low:g}-{each.high:g}" for each in bins]
    x = Axis(
        "length of the true motion, px",
        -0.5,
        last + 0.5,
        [(place, names[place]) for place in range(last + 1)],
    )
    lines = {
        label: [
            (place, float("nan") if each.epe is None else each.epe)
            for place, each in enumerate(accuracy.displacement[: last + 1])
        ]
        for label, accuracy in measured.items()
    }
    highest = max(value for points in lines.values() for _, value in points if value == value)
    pixels = sum(each.pixels for each in bins)
    shares = ", ".join(
        f"{names[place]}: {100 * each.pixels / pixels:.1f} %"
        for place, each in enumerate(bins[: last + 1])
        if each.pixels
    )
    return (
        "<h3>Error against displacement</h3><figure>"
        + line_chart(lines, x, even_axis("mean EPE, px", 0, highest), markers=True)
        + f'</figure><p class="note">Share of the pixels by length: {escape(shares)}.</p>'
    )


def _pair(pictures: PairPictures) -> str:
    example = pictures.example
    figures = [_picture(pictures.frame, "frame 1"), _picture(pictures.truth, "true flow")]
    for label in pictures.predictions:
        figures.append(_picture(pictures.predictions[label], f"{label}: flow"))
        figures.append(_picture(pictures.errors[label], f"{label}: error, mean {pictures.epe[label]:.3f} px"))
    return (
        f"<h3>{escape(example.kind.capitalize())} pair: {escape(example.pair)}, EPE {example.epe:.3f} px</h3>"
        f'<div class="pictures">{"".join(figures)}</div>'
        f'<p class="note">Flow in Middlebury colours, full at {pictures.max_flow:.1f} px; unknown truth is '
        f'black. Error: 0 <span class="scale"></span> {pictures.max_error:.2f} px (99 % of the pixels are '
        "below in every engine); without truth, grey.</p>"
    )


def _picture(address: str, caption: str) -> str:
    text = escape(caption, quote=True)
    return f'<figure><img src="{address}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def _speed(results: Sequence[SpeedResult], failures: Sequence[Failure]) -> str:
    lines = {}
    for speed in results:
        quantiles = speed.latency_quantiles
        steps = max(len(quantiles) - 1, 1)
        lines[speed.engine] = [(value, 100 * place / steps) for place, value in enumerate(quantiles)]
    chart = ""
    values = [value for points in lines.values() for value, _ in points]
    if values:
        x = even_axis("latency of a call, ms", min(values), max(values))
        chart = (
            "<h3>Latency distribution</h3><figure>"
            + line_chart(lines, x, even_axis("calls at most as slow, %", 0, 100))
            + "</figure>"
        )
    return f"<section><h2>speed</h2>{_table(speed_table(results, failures))}{chart}</section>"


def _environment(result: BenchResult) -> str:
    parts = {"engines": result.engines, "settings": result.settings, **result.environment}
    blocks = "".join(_details(name, json.dumps(value, indent=2)) for name, value in parts.items())
    return f"<section><h2>environment</h2>{blocks}</section>"


def _details(name: str, text: str) -> str:
    return f"<details><summary>{escape(name)}</summary><pre>{escape(text)}</pre></details>"
