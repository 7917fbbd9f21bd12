"""A result as tables: for the terminal and Markdown, and as CSV."""

import csv
import io
from collections.abc import Iterator, Sequence

from dinoflow_deploy.bench.published_accuracy import published
from dinoflow_deploy.bench.results import (
    LOADING,
    SPEED,
    BenchResult,
    DatasetResult,
    EngineAccuracy,
    Failure,
    SpeedResult,
)
from dinoflow_deploy.flow import Accuracy, FlowMetrics
from dinoflow_deploy.tables import Listing, Part, Table
from dinoflow_deploy.tables import markdown as as_markdown

_CONVENTIONS = (
    "EPE: end-point error in px, pixels of all pairs pooled; EPE/image: mean of the pairs' means, as KITTI "
    "counts. occ, noc: hidden or outside in frame 2, and the others. s: by true motion in px. 1px, 3px, "
    "5px: error below. Fl-all: error above 3 px and 5 % of the motion. WAUC: 0 to 100."
)
_ACCURACY_COLUMNS = (
    *("engine", "EPE", "EPE/image", "occ", "noc", "s0-10", "s10-40", "s40+"),
    *("1px", "3px", "5px", "Fl-all", "WAUC", "pairs/s"),
)
_SPEED_LEGEND = (
    "ratio: to the first engine, which takes turns with it, median. p50 to finish: ms, from uint8 frames to "
    "flow on the host. MiB: most that the engine's own process ever held."
)


def tables(result: BenchResult) -> list[Table]:
    """All tables of a result."""
    found = [table for dataset in result.datasets for table in dataset_tables(dataset, result.failures)]
    if result.speed:
        found.append(speed_table(result.speed, result.failures))
    return found


def failures_table(failures: Sequence[Failure]) -> Table:
    """What failed, where and why."""
    rows = tuple((each.engine, each.where, each.reason) for each in failures)
    return Table("failed, and left out", ("engine", "where", "reason"), rows, text_columns=3)


def parts(result: BenchResult) -> list[Part]:
    """The whole result, as it is printed."""
    partial = [Listing("Partial: the run was interrupted.")] if result.partial else []
    failed = [failures_table(result.failures)] if result.failures else []
    return [*partial, *tables(result), *failed]


def markdown(result: BenchResult) -> str:
    """The whole result in Markdown."""
    return as_markdown(parts(result))


def csv_text(result: BenchResult) -> str:
    """Every figure on a line of its own: where, engine, quantity, value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("where", "engine", "quantity", "value"))
    for dataset in result.datasets:
        for engine in dataset.engines:
            for quantity, value in _figures(dataset, engine):
                writer.writerow((dataset.title, engine.engine, quantity, value))
    for speed in result.speed:
        for quantity, value in _speed_figures(speed):
            writer.writerow((f"{speed.height}x{speed.width}", speed.engine, quantity, value))
    for failure in result.failures:
        writer.writerow((failure.where, failure.engine, "failed", failure.reason))
    return text.getvalue()


def dataset_tables(dataset: DatasetResult, failures: Sequence[Failure]) -> Iterator[Table]:
    """Tables of one data set: measured, published, differences between engines."""
    pairs = f"{dataset.evaluated} of {dataset.pairs} pairs" + (", partial" if dataset.partial else "")
    if dataset.missing:
        pairs += f", left out those with {len(dataset.missing)} missing file(s)"
    measured = (
        *(_accuracy_row(engine) for engine in dataset.engines),
        *_failed_rows(failures, dataset.dataset, len(_ACCURACY_COLUMNS)),
    )
    yield Table(f"{dataset.title}: {pairs}, measured", _ACCURACY_COLUMNS, measured, _CONVENTIONS)
    figures = [] if dataset.synthetic else published(dataset.dataset)
    if figures:
        per_image = dataset.dataset.startswith("kitti")
        yield Table(
            f"{dataset.dataset}: published by the model's card, not measured here",
            ("method", "EPE/image" if per_image else "EPE", "Fl-all"),
            tuple(
                (figure.method, f"{figure.epe:.2f}", _number(figure.fl_all, ".1f", "%")) for figure in figures
            ),
        )
    if len(dataset.engines) > 1:
        yield _difference_table(dataset)


def _failed_rows(failures: Sequence[Failure], where: str, columns: int) -> Iterator[tuple[str, ...]]:
    for failure in failures:
        if failure.where in (LOADING, where):
            yield (failure.engine, "failed", *("-" for _ in range(columns - 2)))


def _accuracy_row(engine: EngineAccuracy) -> tuple[str, ...]:
    accuracy = engine.accuracy
    if accuracy is None:
        return (engine.engine, *("-" for _ in range(13)))
    everything = accuracy.everything
    return (
        engine.engine,
        f"{everything.epe:.3f}",
        f"{accuracy.image_epe:.3f}",
        *(_epe(part) for part in _parts(accuracy).values()),
        *(f"{100 * share:.1f}%" for share in (everything.px1, everything.px3, everything.px5)),
        f"{everything.fl_all:.2f}%",
        f"{accuracy.wauc:.2f}",
        _number(engine.pairs_per_second, ".3g"),
    )


def _parts(accuracy: Accuracy) -> dict[str, FlowMetrics | None]:
    return {
        "occluded": accuracy.occluded,
        "visible": accuracy.visible,
        "s0_10": accuracy.s0_10,
        "s10_40": accuracy.s10_40,
        "s40": accuracy.s40,
    }


def _difference_table(dataset: DatasetResult) -> Table:
    rows = []
    for engine in dataset.engines[1:]:
        found = engine.difference
        figures = (found.mean_px, found.p99_px, found.max_px) if found else (None, None, None)
        rows.append((engine.engine, *(_number(figure, ".3g") for figure in figures)))
    return Table(
        f"{dataset.title}: end-point difference in px to {dataset.engines[0].engine}",
        ("engine", "mean", "99%", "max"),
        tuple(rows),
    )


def speed_table(results: Sequence[SpeedResult], failures: Sequence[Failure]) -> Table:
    """Speed of all engines."""
    first = results[0]
    columns = "pairs/s ratio least-most p50 p90 p99 prepare infer finish load-s first-s MiB GPU-MiB calls"
    header = ("engine", *columns.split())
    rows = tuple(
        (
            speed.engine,
            f"{speed.pairs_per_second:.3g}",
            f"{speed.ratio:.2f}",
            f"{speed.ratio_range[0]:.2f}-{speed.ratio_range[1]:.2f}",
            *(f"{value:.1f}" for value in (speed.total.p50, speed.total.p90, speed.total.p99)),
            *(f"{stage.p50:.1f}" for stage in (speed.prepare, speed.infer, speed.finish)),
            f"{speed.load_seconds:.2f}",
            f"{speed.first_call_seconds:.2f}",
            f"{speed.peak_host_bytes / 2**20:.0f}",
            _number(speed.device_bytes and speed.device_bytes / 2**20, ".0f"),
            str(speed.calls),
        )
        for speed in results
    )
    title = (
        f"speed at {first.height}x{first.width}, batch {first.batch}, "
        f"after {first.warm_up_calls} calls that do not count"
    )
    return Table(title, header, (*rows, *_failed_rows(failures, SPEED, len(header))), _SPEED_LEGEND)


def _figures(dataset: DatasetResult, engine: EngineAccuracy) -> Iterator[tuple[str, float | int | None]]:
    yield "pairs", dataset.evaluated
    yield "pairs_per_second", engine.pairs_per_second
    accuracy = engine.accuracy
    if accuracy is not None:
        everything = accuracy.everything
        yield "epe", everything.epe
        yield "image_epe", accuracy.image_epe
        for name, part in _parts(accuracy).items():
            yield f"epe_{name}", part.epe if part else None
        for name in ("px1", "px3", "px5", "fl_all"):
            yield name, getattr(everything, name)
        yield "wauc", accuracy.wauc
    if engine.difference is not None:
        for name in ("mean_px", "p99_px", "max_px"):
            yield f"difference_{name}", getattr(engine.difference, name)


def _speed_figures(speed: SpeedResult) -> Iterator[tuple[str, float | int | None]]:
    for name in ("batch", "calls", "pairs_per_second", "ratio", "load_seconds", "first_call_seconds"):
        yield name, getattr(speed, name)
    for stage in ("total", "prepare", "infer", "finish"):
        for name in ("p50", "p90", "p99", "mean"):
            yield f"{stage}_{name}_ms", getattr(getattr(speed, stage), name)
    yield "peak_host_bytes", speed.peak_host_bytes
    yield "device_bytes", speed.device_bytes


def _epe(metrics: FlowMetrics | None) -> str:
    return f"{metrics.epe:.3f}" if metrics else "-"


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else f"{value:{form}}{unit}"
