"""What a benchmark found, and its JSON form."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from dinoflow_deploy.errors import DinoFlowError, FileFormatError
from dinoflow_deploy.flow import Accuracy
from dinoflow_deploy.system.dataclass_reader import from_json
from dinoflow_deploy.system.system_errors import explain

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Difference:
    """How far an engine's flow is from the first engine's on the same pairs, over all pixels.

    Attributes:
        pixels: How many.
        mean_px: Mean end-point difference in pixels.
        p99_px: What 99 % of the pixels stay within, rounded up by at most 2.4 %.
        max_px: The largest.
    """

    pixels: int
    mean_px: float
    p99_px: float
    max_px: float


@dataclass(frozen=True, slots=True)
class EngineAccuracy:
    """One engine on one data set.

    Attributes:
        engine: Its label.
        accuracy: Its errors; ``None`` before a pixel with known truth was seen.
        difference: To the first engine; ``None`` for the first itself.
        pairs_per_second: Through the whole engine call, reading of files not counted.
    """

    engine: str
    accuracy: Accuracy | None
    difference: Difference | None
    pairs_per_second: float | None


@dataclass(frozen=True, slots=True)
class Example:
    """A pair that stands for the others.

    Attributes:
        kind: "worst", "median" or "best", by the first engine.
        pair: Its name.
        index: Its index in the data set.
        epe: Mean end-point error of the first engine's flow in pixels.
    """

    kind: str
    pair: str
    index: int
    epe: float


@dataclass(frozen=True, slots=True)
class DatasetResult:
    """All engines on one data set.

    Attributes:
        dataset: Its name, such as "sintel-clean".
        root: Folder it was read from.
        pairs: How many it has.
        wanted: How many of them were to be evaluated.
        evaluated: How many were.
        engines: In the order they were asked for.
        examples: The worst, median and best of the pairs evaluated.
        missing: Files that are not there; the pairs that need them are left out and not counted.
        synthetic: Whether it is of synthetic scenes in the layout of the data set, whose published figures
            say nothing about it.
    """

    dataset: str
    root: str
    pairs: int
    wanted: int
    evaluated: int
    engines: tuple[EngineAccuracy, ...]
    examples: tuple[Example, ...] = ()
    missing: tuple[str, ...] = ()
    synthetic: bool = False

    @property
    def title(self) -> str:
        """Its name, with what it is where it is not what the name says."""
        return f"{self.dataset} (synthetic)" if self.synthetic else self.dataset

    @property
    def partial(self) -> bool:
        """Whether the evaluation was interrupted."""
        return self.evaluated < self.wanted


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of a stage over all calls.

    Attributes:
        p50: Median.
        p90: 90th percentile.
        p99: 99th percentile.
        mean: Mean.
    """

    p50: float
    p90: float
    p99: float
    mean: float


@dataclass(frozen=True, slots=True)
class SpeedResult:
    """Speed of one engine on frames of one size.

    Attributes:
        engine: Its label.
        height: Height of the frames in pixels.
        width: Width of the frames in pixels.
        batch: Pairs per call.
        warm_up_calls: Calls that were not counted.
        calls: Calls that were.
        total: From uint8 frames to flow.
        prepare: Conversion and padding.
        infer: The model, with copies to and from the device; results are on the host when it ends.
        finish: Cutting the padding off.
        pairs_per_second: Over all counted calls.
        ratio: This engine's rate over the first's in the same round, median over rounds.
        ratio_range: Least and greatest of these.
        load_seconds: From nothing to a loaded engine, in a new process.
        first_call_seconds: The first call.
        peak_host_bytes: The most memory its process ever held (resident set).
        latency_quantiles: Milliseconds of the whole call at even shares of the calls, from the fastest to the
            slowest; every call where there are few.
        device_bytes: Memory its process holds on the GPU after the last call, as the driver counts; ``None``
            on a CPU, or where the driver does not say.
    """

    engine: str
    height: int
    width: int
    batch: int
    warm_up_calls: int
    calls: int
    total: Latency
    prepare: Latency
    infer: Latency
    finish: Latency
    pairs_per_second: float
    ratio: float
    ratio_range: tuple[float, float]
    load_seconds: float
    first_call_seconds: float
    peak_host_bytes: int
    device_bytes: int | None
    latency_quantiles: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there are no figures of an engine.

    Attributes:
        engine: Its label.
        where: ``"loading"``, the name of the data set, or ``"speed"``.
        reason: What it said.
    """

    engine: str
    where: str
    reason: str


LOADING: Final = "loading"
SPEED: Final = "speed"
"""Values of ``Failure.where`` that are no data sets."""


def failure_reason(error: Exception) -> str:
    """What an error says, on one line; of one that nobody foresaw, with its kind."""
    if isinstance(error, OSError):
        return explain(error)
    kind = "" if isinstance(error, DinoFlowError) else f"unexpected {type(error).__name__}: "
    return kind + " ".join(str(error).split())


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What one run found.

    Attributes:
        environment: Machine and versions.
        settings: What was asked for.
        engines: Label of each engine, and what it is.
        datasets: Accuracy.
        speed: Speed.
        partial: Whether the run was interrupted.
        state: What a resumed run needs: per data set, exact sums.
        failures: Engines that failed, and where; the others went on.
        format: Version of this form.
    """

    environment: dict[str, Any]
    settings: dict[str, Any]
    engines: dict[str, Any]
    datasets: tuple[DatasetResult, ...]
    speed: tuple[SpeedResult, ...]
    partial: bool
    state: dict[str, Any]
    failures: tuple[Failure, ...] = ()
    format: int = FORMAT

    def to_json(self) -> str:
        """The result as JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> "BenchResult":
        """Read a file of :meth:`to_json`.

        Raises:
            FileFormatError: The file is damaged, or no result of a benchmark.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(values, dict) or values.get("format") != FORMAT:
                raise FileFormatError(f"it is not of format {FORMAT}")
            result: BenchResult = from_json(cls, values, "")
        except (OSError, ValueError, FileFormatError) as error:
            raise FileFormatError(f"{path} is no result of dinoflow-deploy bench: {error}") from error
        return result
