"""A self-test's result as tables."""

from collections.abc import Iterator

from dinoflow_deploy.selftest.results import CaseResult, SelfTestResult
from dinoflow_deploy.tables import Listing, Part, Table
from dinoflow_deploy.tables import markdown as as_markdown

_HEADER = (
    *("case", "outcome", "MB", "build s", "mean px", "99% px", "max px", "limit px"),
    *("p50 ms", "p99 ms", "pairs/s", "graph p50 ms", "GPU MiB"),
)
_LEGEND = (
    "px: end-point difference to PyTorch fp32 on the CPU. ms: from frames to flow on the host. graph: with a "
    "CUDA graph. build: export and comparison too."
)


def parts(result: SelfTestResult) -> list[Part]:
    """The whole result, as it is printed."""
    return [
        Listing(f"dinoflow-deploy self-test: {summary(result)}", tuple(_environment(result))),
        *_tried(result),
        *_reasons_listed(result),
    ]


def markdown(result: SelfTestResult) -> str:
    """The whole result in Markdown."""
    return as_markdown(parts(result))


def summary(result: SelfTestResult) -> str:
    """How it went, in one line."""
    if result.nothing_tried:
        return f"nothing was tried, {result.counts['skipped']} skipped"
    counts = ", ".join(f"{count} {outcome}" for outcome, count in result.counts.items())
    return f"interrupted: {counts}" if result.partial else counts


def _tried(result: SelfTestResult) -> Iterator[Table]:
    rows = tuple(_row(each) for each in result.results if each.outcome != "skipped")
    if rows:
        yield Table(_title(result), _HEADER, rows, _LEGEND)


def _reasons_listed(result: SelfTestResult) -> Iterator[Listing]:
    for outcome in ("failed", "skipped"):
        reasons = _reasons(result, outcome)
        if reasons:
            lines = (f"{', '.join(labels)}: {reason}" for reason, labels in reasons.items())
            yield Listing(outcome, tuple(lines))


def _title(result: SelfTestResult) -> str:
    height, width = result.settings["size"]
    return f"tried; speed at {height}x{width}"


def _environment(result: SelfTestResult) -> Iterator[str]:
    machine = result.environment["machine"]
    yield f"{machine['processor']}, {machine['cores']} cores; {machine['system']}"
    for gpu in machine["gpus"]:
        yield f"{gpu['name']}, compute capability {gpu['compute_capability']}, driver {gpu['driver']}"
    if not machine["gpus"]:
        yield f"no GPU from NVIDIA{': ' if machine['gpu_problem'] else ''}{machine['gpu_problem'] or ''}"
    yield ", ".join(f"{name} {version}" for name, version in result.environment["versions"].items())


def _row(result: CaseResult) -> tuple[str, ...]:
    parity = result.parity
    plain = result.speed[0] if result.speed else None
    graph = result.speed[1] if len(result.speed) > 1 else None
    device = plain.device_bytes if plain else None
    figures = (parity.mean_px, parity.p99_px, parity.max_px, parity.tolerance_px) if parity else (None,) * 4
    return (
        result.case.label,
        result.outcome,
        _number(result.model_bytes and result.model_bytes / 1e6, ".1f"),
        _number(result.seconds, ".0f"),
        *(_number(figure, ".2g") for figure in figures),
        _three_digits(plain.total.p50 if plain else None),
        _three_digits(plain.total.p99 if plain else None),
        _three_digits(plain.pairs_per_second if plain else None),
        _three_digits(graph.total.p50 if graph else None),
        _number(device and device / (1 << 20), ".0f"),
    )


def _reasons(result: SelfTestResult, outcome: str) -> dict[str, list[str]]:
    """The labels of the cases by reason, so that one reason is said once."""
    found: dict[str, list[str]] = {}
    for each in result.results:
        if each.outcome == outcome:
            found.setdefault(each.reason, []).append(each.case.label)
    return found


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _three_digits(value: float | None) -> str:
    """Three digits or more, never in powers of ten."""
    return _number(value, ".3g" if value is None or value < 999.5 else ".0f")
