"""Speed of several engines on frames of one size, taking turns."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median
from threading import Event

import numpy as np

from dinoflow_deploy.bench.engine_process import WARM_UP_CALLS, Call, EngineProcess, EngineSource
from dinoflow_deploy.bench.results import Latency, SpeedResult
from dinoflow_deploy.progress import Progress

_MOST_QUANTILES = 400


def measure_speed(
    sources: Mapping[str, EngineSource],
    size: tuple[int, int],
    *,
    batch: int,
    rounds: int,
    seconds: float,
    progress: Progress,
    stop: Event,
) -> tuple[SpeedResult, ...]:
    """Measure engines, each in a process of its own, on frames of noise.

    After calls that do not count, the engines take turns for a number of rounds, so that whatever else the
    machine does meets all of them alike and ratios hold. Peak memory is of the engine's process alone.

    Args:
        sources: What to load, by label; ratios are to the first.
        size: Height and width in pixels.
        batch: Pairs per call.
        rounds: Turns of each engine.
        seconds: Length of a turn; one call at least.
        progress: Told of each turn.
        stop: When set, the round is finished and no further one begun.

    Raises:
        EngineError: An engine cannot be loaded or does not run.
    """
    progress.start(f"speed at {size[0]}x{size[1]}", rounds * len(sources), "turns")
    with ExitStack() as stack:
        engines = {}
        for label, source in sources.items():
            engines[label] = EngineProcess(source, size, batch)
            stack.callback(engines[label].kill)
        turns: list[dict[str, list[Call]]] = []
        while len(turns) < rounds and not (turns and stop.is_set()):
            turn = {}
            for label, engine in engines.items():
                turn[label] = engine.compute(seconds)
                progress.advance(1)
            turns.append(turn)
        progress.finish()
        first = next(iter(engines))
        return tuple(_result(label, engine, size, batch, turns, first) for label, engine in engines.items())


def _result(
    label: str,
    engine: EngineProcess,
    size: tuple[int, int],
    batch: int,
    turns: Sequence[Mapping[str, list[Call]]],
    first: str,
) -> SpeedResult:
    calls = [call for turn in turns for call in turn[label]]
    ratios = [_rate(turn[label]) / _rate(turn[first]) for turn in turns]
    host, device = engine.finish()
    return SpeedResult(
        engine=label,
        height=size[0],
        width=size[1],
        batch=batch,
        warm_up_calls=WARM_UP_CALLS,
        calls=len(calls),
        total=_latency([call.total for call in calls]),
        prepare=_latency([call.prepare for call in calls]),
        infer=_latency([call.infer for call in calls]),
        finish=_latency([call.finish for call in calls]),
        pairs_per_second=batch * _rate(calls),
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
