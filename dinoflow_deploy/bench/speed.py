"""Speed of several engines on frames of one size, taking turns."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from threading import Event

import numpy as np

from dinoflow_deploy.bench.engine_process import WARM_UP_CALLS, Call, EngineProcess, EngineSource
from dinoflow_deploy.bench.results import SPEED, Failure, Latency, SpeedResult, failure_reason
from dinoflow_deploy.errors import DinoFlowError
from dinoflow_deploy.progress import Progress

_MOST_QUANTILES = 400


@dataclass(frozen=True, slots=True)
class SpeedRun:
    """What is known after a round.

    Attributes:
        results: Of the engines that run, in the order of the sources; ratios are to the first of them.
        failures: Why the others do not.
    """

    results: tuple[SpeedResult, ...]
    failures: tuple[Failure, ...]


def measure_speed(
    sources: Mapping[str, EngineSource],
    size: tuple[int, int],
    *,
    batch: int,
    rounds: int,
    seconds: float,
    progress: Progress,
    stop: Event,
) -> Iterator[SpeedRun]:
    """Measure engines, each in a process of its own, on frames of noise; give what is known after each round.

    After calls that do not count, the engines take turns for a number of rounds, so that whatever else the
    machine does meets all of them alike and ratios hold. Peak memory is of the engine's process alone. One
    that cannot be loaded, fails or dies is left out, and the others go on.

    Args:
        sources: What to load, by label.
        size: Height and width in pixels.
        batch: Pairs per call.
        rounds: Turns of each engine.
        seconds: Length of a turn; one call at least.
        progress: Told of each turn, and of each failure.
        stop: When set, the round is finished and no further one begun.
    """
    progress.start(f"speed at {size[0]}x{size[1]}", rounds * len(sources), "turns")
    with ExitStack() as stack:
        running = _Running(size, batch, progress, stack)
        for label, source in sources.items():
            running.start(label, source)
        for done in range(rounds):
            if done and stop.is_set():
                break
            running.take_turns(seconds)
            yield running.known()
            if not running.engines:
                break
        progress.finish()


class _Running:
    """Engines that take turns, and those that failed."""

    def __init__(self, size: tuple[int, int], batch: int, progress: Progress, stack: ExitStack) -> None:
        self.engines: dict[str, EngineProcess] = {}
        self._size = size
        self._batch = batch
        self._progress = progress
        self._stack = stack
        self._turns: dict[str, list[list[Call]]] = {}
        self._memory: dict[str, tuple[int, int | None]] = {}
        self._failures: list[Failure] = []

    def start(self, label: str, source: EngineSource) -> None:
        try:
            engine = EngineProcess(source, self._size, self._batch)
        except DinoFlowError as error:
            self._failed(label, error)
            return
        self._stack.callback(engine.kill)
        self.engines[label], self._turns[label] = engine, []

    def take_turns(self, seconds: float) -> None:
        for label, engine in list(self.engines.items()):
            try:
                self._turns[label].append(engine.compute(seconds))
                self._memory[label] = engine.memory()
            except DinoFlowError as error:
                del self.engines[label], self._turns[label]
                self._failed(label, error)
            self._progress.advance(1)

    def known(self) -> SpeedRun:
        first = next(iter(self._turns.values()), [])
        results = [self._result(label, turns, first) for label, turns in self._turns.items()]
        return SpeedRun(tuple(results), tuple(self._failures))

    def _failed(self, label: str, error: DinoFlowError) -> None:
        failure = Failure(label, SPEED, failure_reason(error))
        self._failures.append(failure)
        self._progress.note(f"{label} failed, and is left out: {failure.reason}")

    def _result(self, label: str, turns: Sequence[list[Call]], first: Sequence[list[Call]]) -> SpeedResult:
        engine = self.engines[label]
        calls = [call for turn in turns for call in turn]
        ratios = [_rate(own) / _rate(other) for own, other in zip(turns, first, strict=True)]
        host, device = self._memory[label]
        return SpeedResult(
            engine=label,
            height=self._size[0],
            width=self._size[1],
            batch=self._batch,
            warm_up_calls=WARM_UP_CALLS,
            calls=len(calls),
            total=_latency([call.total for call in calls]),
            prepare=_latency([call.prepare for call in calls]),
            infer=_latency([call.infer for call in calls]),
            finish=_latency([call.finish for call in calls]),
            pairs_per_second=self._batch * _rate(calls),
            ratio=median(ratios),
            ratio_range=(min(ratios), max(ratios)),
            load_seconds=engine.load_seconds,
            first_call_seconds=engine.first_call_seconds,
            peak_host_bytes=host,
            device_bytes=device,
            latency_quantiles=_quantiles([1000 * call.total for call in calls]),
        )


def _rate(calls: Sequence[Call]) -> float:
    """Calls per second."""
    return len(calls) / sum(call.total for call in calls)


def _quantiles(values: Sequence[float]) -> tuple[float, ...]:
    shares = np.linspace(0, 1, min(len(values), _MOST_QUANTILES))
    return tuple(np.quantile(values, shares).tolist())


def _latency(seconds: Sequence[float]) -> Latency:
    p50, p90, p99 = (float(each) for each in np.percentile(seconds, (50, 90, 99)) * 1000)
    return Latency(p50, p90, p99, float(np.mean(seconds)) * 1000)
