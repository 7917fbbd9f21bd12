"""Accuracy of several engines over one data set, streaming."""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from dinoflow_deploy.bench.difference import DifferenceSums
from dinoflow_deploy.bench.results import EngineAccuracy, failure_reason
from dinoflow_deploy.datasets import FlowDataset, FlowSample
from dinoflow_deploy.engines import FlowEngine
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.flow import AccuracySums, accuracy_sums


@dataclass(frozen=True, slots=True)
class EngineTotals:
    """What one engine has gathered.

    Attributes:
        accuracy: Its errors.
        difference: Its differences to the first engine.
        seconds: Spent in its calls.
    """

    accuracy: AccuracySums = field(default_factory=AccuracySums)
    difference: DifferenceSums = field(default_factory=DifferenceSums)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EvaluationState:
    """Where an evaluation is: enough to go on from, without loss.

    Attributes:
        done: Pairs evaluated, the first of those wanted.
        engines: Totals of each engine by label, the first one first.
        pair_epe: Mean end-point error of each pair by the first engine, px; None without a known pixel.
        failed: Why engines failed, by label; they are no longer among the others, unless none is left.
    """

    done: int
    engines: dict[str, EngineTotals]
    pair_epe: tuple[float | None, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def start(cls, labels: Iterable[str]) -> Self:
        """Before the first pair."""
        return cls(0, {label: EngineTotals() for label in labels})

    def results(self) -> tuple[EngineAccuracy, ...]:
        """What is known so far."""
        first = next(iter(self.engines), None)
        return tuple(
            EngineAccuracy(
                engine=label,
                accuracy=totals.accuracy.accuracy() if totals.accuracy.images else None,
                difference=None if label == first else totals.difference.difference(),
                pairs_per_second=self.done / totals.seconds if totals.seconds else None,
            )
            for label, totals in self.engines.items()
        )

    def to_dict(self) -> dict[str, Any]:
        """The state as JSON values."""
        engines = {
            label: {
                "accuracy": totals.accuracy.to_dict(),
                "difference": totals.difference.to_dict(),
                "seconds": totals.seconds,
            }
            for label, totals in self.engines.items()
        }
        pair_epe = list(self.pair_epe)
        return {"done": self.done, "engines": engines, "pair_epe": pair_epe, "failed": self.failed}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """What :meth:`to_dict` gave.

        Raises:
            InputError: It is not that.
        """
        try:
            engines = {
                label: EngineTotals(
                    AccuracySums.from_dict(totals["accuracy"]),
                    DifferenceSums.from_dict(totals["difference"]),
                    float(totals["seconds"]),
                )
                for label, totals in values["engines"].items()
            }
            pair_epe = tuple(None if epe is None else float(epe) for epe in values["pair_epe"])
            return cls(int(values["done"]), engines, pair_epe, dict(values.get("failed", {})))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"this is no state of an evaluation: {error!r}") from error


def evaluate(
    dataset: FlowDataset,
    indices: Sequence[int],
    engines: Mapping[str, FlowEngine],
    *,
    batch: int = 1,
    workers: int = 2,
    state: EvaluationState | None = None,
) -> Iterator[EvaluationState]:
    """Evaluate pairs in their order, and give the state after each batch.

    Every engine sees the same pairs. Neighbours of equal size go through an engine together, up to ``batch``;
    threads read ahead a bounded number of pairs. Neither workers nor interruptions change a digit, nor does
    the batch, unless an engine itself computes otherwise in one.

    An engine that fails, or gives flow that is not finite, is left out from then on, and the others go on;
    from the beginning if it was the first, since differences are to it. Where none is left, what the last
    ones had found stays, and a resumed evaluation tries them again from there.

    Args:
        dataset: Where pairs are read from.
        indices: Which of its pairs.
        engines: By label; differences are to the first.
        batch: Most pairs per call.
        workers: Threads that read.
        state: Where to go on from; by default the beginning.

    Raises:
        FileFormatError: A file is damaged; names it.
    """
    state = state or EvaluationState.start(engines)
    # The last ones are tried again.
    gone = {label: reason for label, reason in state.failed.items() if label not in state.engines}
    state = replace(state, failed=gone)
    while True:
        first = next(iter(state.engines))
        for samples in _batches(_read_ahead(dataset, indices[state.done :], workers), batch):
            reached = _advanced(state, samples, engines)
            if not reached.engines:
                yield replace(state, failed=reached.failed)
                return
            restart = first not in reached.engines
            state = (
                replace(EvaluationState.start(reached.engines), failed=reached.failed) if restart else reached
            )
            yield state
            if restart:
                break
        else:
            return


def _advanced(
    state: EvaluationState, samples: list[FlowSample], engines: Mapping[str, FlowEngine]
) -> EvaluationState:
    frames1 = np.stack([sample.frame1 for sample in samples])
    frames2 = np.stack([sample.frame2 for sample in samples])
    totals, reference = {}, None
    failed = dict(state.failed)
    pair_epe: list[float | None] = []
    for label, before in state.engines.items():
        began = time.perf_counter()
        try:
            flows = engines[label].batch(frames1, frames2)
            seconds = time.perf_counter() - began
            errors = [_errors(sample, flow) for sample, flow in zip(samples, flows, strict=True)]
        except Exception as error:  # whatever a library raises: the other engines go on
            failed[label] = f"{samples[0].name}: {failure_reason(error)}"
            continue
        totals[label] = _added(before, errors, flows, reference, seconds)
        if reference is None:
            reference = flows
            pair_epe = [float(each.image_epe) if each.images else None for each in errors]
    return EvaluationState(state.done + len(samples), totals, (*state.pair_epe, *pair_epe), failed)


def _errors(sample: FlowSample, flow: np.ndarray) -> AccuracySums:
    return accuracy_sums(flow, sample.flow, sample.valid, sample.occluded, sample.subpixel_flow)


def _added(
    totals: EngineTotals,
    errors: list[AccuracySums],
    flows: np.ndarray,
    reference: np.ndarray | None,
    seconds: float,
) -> EngineTotals:
    difference = totals.difference
    if reference is not None:
        for flow, first in zip(flows, reference, strict=True):
            difference += DifferenceSums.of(flow, first)
    return replace(
        totals,
        accuracy=sum(errors, totals.accuracy),
        difference=difference,
        seconds=totals.seconds + seconds,
    )


def _batches(samples: Iterable[FlowSample], size: int) -> Iterator[list[FlowSample]]:
    """Neighbours of equal size together."""
    gathered: list[FlowSample] = []
    for sample in samples:
        if gathered and gathered[0].frame1.shape != sample.frame1.shape:
            yield gathered
            gathered = []
        gathered.append(sample)
        if len(gathered) == size:
            yield gathered
            gathered = []
    if gathered:
        yield gathered


def _read_ahead(dataset: FlowDataset, indices: Iterable[int], workers: int) -> Iterator[FlowSample]:
    """Samples in order, at most two per thread read before they are asked for."""
    pending: deque[Future[FlowSample]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for index in indices:
            pending.append(pool.submit(dataset.__getitem__, index))
            if len(pending) >= 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
