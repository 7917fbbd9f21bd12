"""What a benchmark found, as values that go to JSON and come back the same."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from dinoflow_deploy.atomic import atomic_file
from dinoflow_deploy.engines.json_fields import from_json
from dinoflow_deploy.errors import FileFormatError, InputError
from dinoflow_deploy.flow.accuracy import Accuracy

FORMAT: Final = 1
"""Version of the JSON form."""


class JsonRecord:
    """A dataclass with a JSON form."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values: dictionaries, lists, strings and numbers."""
        values: dict[str, Any] = _plain(asdict(self))  # type: ignore[call-overload]
        return values

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """What :meth:`to_dict` gave; keys that are not known are ignored.

        Raises:
            FileFormatError: A key is missing or has a value of the wrong type; names it.
        """
        record: Self = from_json(cls, values, "")
        return record


@dataclass(frozen=True, slots=True)
class EngineRecord(JsonRecord):
    """An engine that was measured.

    Attributes:
        label: What tables call it, for instance "nano onnxruntime".
        description: ``EngineDescription.to_dict()``.
        model_sha256: SHA-256 of the file of weights or the graph; ``None`` for a model in memory.
        load_seconds: Time from the call of ``load_engine`` to its return.
    """

    label: str
    description: dict[str, Any]
    model_sha256: str | None
    load_seconds: float


@dataclass(frozen=True, slots=True)
class Difference(JsonRecord):
    """How far an engine's flow is from the first engine's, over all pixels of the same pairs.

    Attributes:
        mean_px: Mean end-point difference in pixels, exact.
        p99_px: Its 99th percentile in pixels, rounded up by 2 % at most.
        max_px: The largest in pixels, exact.
        pixels: Pixels counted, with ground truth or without.
    """

    mean_px: float
    p99_px: float
    max_px: float
    pixels: int


@dataclass(frozen=True, slots=True)
class EngineAccuracy(JsonRecord):
    """Accuracy of one engine on a data set.

    Attributes:
        label: As in :class:`EngineRecord`.
        accuracy: Against the ground truth; ``None`` where no pixel with truth was evaluated.
        difference: To the first engine; ``None`` for the first itself.
        pairs_per_second: Pairs evaluated for each second in the engine; ``None`` where none was.
        seconds: Seconds in "prepare", "infer" and "finish".
    """

    label: str
    accuracy: Accuracy | None
    difference: Difference | None
    pairs_per_second: float | None
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class PairRecord(JsonRecord):
    """Error of the first engine on one pair.

    Attributes:
        index: Position in the data set.
        name: ``FlowSample.name``.
        epe: Mean end-point error over its pixels with truth, in pixels.
        pixels: How many these are.
    """

    index: int
    name: str
    epe: float
    pixels: int


@dataclass(frozen=True, slots=True)
class Examples(JsonRecord):
    """The pairs to look at, by the error of the first engine; of equals the first in the data set.

    Attributes:
        worst: Largest mean end-point error.
        median: In the middle; of an even number the lower one.
        best: Smallest mean end-point error.
    """

    worst: PairRecord
    median: PairRecord
    best: PairRecord


@dataclass(frozen=True, slots=True)
class DatasetResult(JsonRecord):
    """All engines on one data set.

    Attributes:
        name: As for ``open_dataset``.
        root: Folder that it was opened from.
        pairs: Pairs in the data set.
        chosen: Pairs to evaluate, fewer under a limit.
        evaluated: Pairs evaluated.
        partial: The evaluation was interrupted: ``evaluated`` is less than ``chosen``.
        engines: In the order they were given.
        examples: ``None`` where no pair with truth was evaluated.
        notes: What the reader should know, for instance how a limit chose the pairs.
    """

    name: str
    root: str
    pairs: int
    chosen: int
    evaluated: int
    partial: bool
    engines: tuple[EngineAccuracy, ...]
    examples: Examples | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StageTimes(JsonRecord):
    """How long a stage took, over the timed calls, in milliseconds.

    Attributes:
        p50_ms: Median.
        p90_ms: 90th percentile.
        p99_ms: 99th percentile.
        mean_ms: Mean.
    """

    p50_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float


@dataclass(frozen=True, slots=True)
class SpeedResult(JsonRecord):
    """Speed of one engine on frames of one size.

    Attributes:
        label: As in :class:`EngineRecord`.
        height: Of the frames in pixels.
        width: Of the frames in pixels.
        batch: Pairs a call.
        warm_up_calls: Calls before the clock was looked at.
        calls: Calls timed.
        total: Of whole calls.
        prepare: Pre-processing alone.
        infer: Inference alone.
        finish: Post-processing alone.
        pairs_per_second: From the mean of ``total``.
        ratio: Median over rounds of this engine's rate over the first engine's in the same round.
        load_seconds: As in :class:`EngineRecord`.
        first_call_seconds: The very first call, which compiles and allocates.
        peak_host_bytes: Largest resident memory of the process; ``None`` where it cannot be told.
        peak_device_bytes: Largest memory in use on the device; ``None`` where it cannot be told.
        latencies_ms: Every timed call, in order.
    """

    label: str
    height: int
    width: int
    batch: int
    warm_up_calls: int
    calls: int
    total: StageTimes
    prepare: StageTimes
    infer: StageTimes
    finish: StageTimes
    pairs_per_second: float
    ratio: float
    load_seconds: float
    first_call_seconds: float
    peak_host_bytes: int | None
    peak_device_bytes: int | None
    latencies_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BenchResult(JsonRecord):
    """Everything that one benchmark found.

    Attributes:
        environment: Machine and versions.
        settings: What was asked for.
        engines: The engines, the first being what others are compared with.
        datasets: Accuracy, by data set.
        speed: Speed, by engine.
        partial: The benchmark was interrupted.
        unfinished: ``EvaluationState.to_dict()`` of data sets that are not complete, by name, to resume from.
    """

    environment: dict[str, Any]
    settings: dict[str, Any]
    engines: tuple[EngineRecord, ...]
    datasets: tuple[DatasetResult, ...]
    speed: tuple[SpeedResult, ...]
    partial: bool
    unfinished: dict[str, Any] | None = None

    def to_json(self) -> str:
        """As the text of a JSON file."""
        return json.dumps({"format": FORMAT, **self.to_dict()}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From the text of a JSON file.

        Raises:
            FileFormatError: It is not JSON, or not of a benchmark, or of a newer format.
        """
        try:
            values = json.loads(text)
        except ValueError as error:
            raise FileFormatError(f"not JSON: {error}") from error
        if not isinstance(values, dict) or "format" not in values:
            raise FileFormatError("not the JSON of a benchmark: the key 'format' is missing")
        if values["format"] != FORMAT:
            raise FileFormatError(
                f"format {values['format']!r} is not known, only {FORMAT}: use the version that wrote it"
            )
        return cls.from_dict(values)


def write_result(result: BenchResult, path: Path) -> None:
    """Write a JSON file, whole or not at all.

    Raises:
        InputError: It cannot be written there.
    """
    try:
        with atomic_file(path) as partial:
            partial.write_text(result.to_json(), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}; choose another path") from error


def read_result(path: Path) -> BenchResult:
    """Read a JSON file.

    Raises:
        InputError: It cannot be read.
        FileFormatError: It is damaged, or no benchmark's; names it.
    """
    try:
        return BenchResult.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (FileFormatError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path}: {error}; it is damaged or no result of a benchmark") from error


def _plain(value: Any) -> Any:
    """With lists in place of tuples, as JSON gives them back."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
