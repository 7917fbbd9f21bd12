"""Accuracy over a data set, streamed."""

import json
import re
import threading
from dataclasses import dataclass

import numpy as np
import pytest

from dinoflow_deploy.bench.evaluation import EvaluationState, evaluate
from dinoflow_deploy.datasets import open_dataset
from dinoflow_deploy.datasets.scenes.synthetic_tree import write_synthetic_tree
from dinoflow_deploy.errors import EngineError, FileFormatError, InputError
from dinoflow_deploy.flow import evaluate_flow
from tests.bench.engines import ConstantEngine

PAIRS = 6


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree") / "sintel"
    write_synthetic_tree("sintel", folder, pairs=PAIRS, size=(48, 64), seed=3)
    return folder


@pytest.fixture
def dataset(root):
    return open_dataset("sintel-clean", root)


@pytest.fixture
def engines():
    return {"first": ConstantEngine(1.0), "second": ConstantEngine(1.25)}


def last(steps) -> EvaluationState:
    *_, state = steps
    return state


def without_time(state: EvaluationState) -> dict:
    values = state.to_dict()
    for totals in values["engines"].values():
        del totals["seconds"]
    return values


def test_figures_are_those_of_each_pair_alone(dataset, engines):
    state = last(evaluate(dataset, range(PAIRS), engines))
    first, second = state.results()
    alone = [
        evaluate_flow(engines["first"](sample.frame1, sample.frame2), sample.flow, sample.valid)
        for sample in dataset
    ]
    pixels = [each.pixels for each in alone]
    assert first.accuracy is not None
    assert first.accuracy.everything.epe == pytest.approx(np.average([e.epe for e in alone], weights=pixels))
    assert first.accuracy.image_epe == pytest.approx(np.mean([each.epe for each in alone]))
    assert first.accuracy.images == PAIRS
    assert first.difference is None
    assert second.difference is not None
    assert second.difference.mean_px == pytest.approx(0.25, abs=1e-6)
    assert 0.25 <= second.difference.p99_px + 1e-6 <= 0.25 * 1.024
    assert second.difference.max_px == pytest.approx(0.25, abs=1e-6)
    assert second.difference.pixels == PAIRS * 48 * 64


@pytest.mark.parametrize(("batch", "workers"), [(1, 4), (4, 1), (5, 2), (100, 3)])
def test_batch_and_workers_change_no_digit(dataset, engines, batch, workers):
    expected = without_time(last(evaluate(dataset, range(PAIRS), engines, workers=1)))
    sizes = len(engines["first"].batches)
    state = last(evaluate(dataset, range(PAIRS), engines, batch=batch, workers=workers))
    assert without_time(state) == expected
    assert max(engines["first"].batches[sizes:]) == min(batch, PAIRS)


def test_an_interrupted_evaluation_goes_on_without_loss(dataset, engines):
    expected = without_time(last(evaluate(dataset, range(PAIRS), engines)))
    for done in range(1, PAIRS):
        steps = evaluate(dataset, range(PAIRS), engines)
        for _ in range(done):
            state = next(steps)
        steps.close()
        saved = EvaluationState.from_dict(json.loads(json.dumps(state.to_dict())))
        assert saved.done == done
        assert without_time(last(evaluate(dataset, range(PAIRS), engines, state=saved))) == expected


@pytest.mark.parametrize("values", [{}, {"done": 1}, {"done": 1, "engines": {"a": {"accuracy": {}}}}])
def test_a_damaged_state_is_refused(values):
    with pytest.raises(InputError, match=r"no state of an evaluation|no sums of flow errors"):
        EvaluationState.from_dict(values)


def test_a_damaged_file_is_an_error_that_names_it(tmp_path, engines):
    write_synthetic_tree("sintel", tmp_path / "tree", pairs=3, size=(48, 64), seed=3)
    dataset = open_dataset("sintel-clean", tmp_path / "tree")
    damaged = dataset.pairs[1].frame2
    damaged.write_bytes(damaged.read_bytes()[:100])
    steps = evaluate(dataset, range(3), engines)
    assert next(steps).done == 1
    with pytest.raises(FileFormatError, match=damaged.name):
        next(steps)


class BrokenFrom(ConstantEngine):
    """Gives flow that is not finite, or raises, from one of its pairs on."""

    def __init__(self, pair: int, error: Exception | None = None) -> None:
        super().__init__(0.0)
        self.pair, self.error = pair, error

    def _run(self, images1, images2):
        flow = super()._run(images1, images2)
        if len(self.batches) <= self.pair:
            return flow
        if self.error:
            raise self.error
        return flow * np.float32(np.nan)


def test_flow_that_is_not_finite_is_a_failure_that_names_the_pair(dataset):
    state = last(evaluate(dataset, range(PAIRS), {"broken": BrokenFrom(1)}))
    assert state.done == 1
    assert re.search(r"frame_0002: .*not finite", state.failed["broken"])


def test_what_the_last_engine_found_before_it_failed_stays_and_is_gone_on_from(dataset):
    engines = {"first": BrokenFrom(0), "second": BrokenFrom(3)}
    state = last(evaluate(dataset, range(PAIRS), engines))
    assert (state.done, list(state.engines), list(state.failed)) == (2, ["second"], ["first", "second"])
    engines["second"] = ConstantEngine(0.0)
    expected = without_time(last(evaluate(dataset, range(PAIRS), {"second": ConstantEngine(0.0)})))
    resumed = without_time(last(evaluate(dataset, range(PAIRS), engines, state=state)))
    assert list(resumed.pop("failed")) == ["first"]
    assert resumed == {key: value for key, value in expected.items() if key != "failed"}


@pytest.mark.parametrize("error", [None, EngineError("CUDA error 700"), RuntimeError("CUDA\nerror 700")])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_others_figures_are_as_if_one_that_fails_had_not_been_there(dataset, engines, error, place):
    expected = without_time(last(evaluate(dataset, range(PAIRS), engines)))
    named = list(engines.items())
    named.insert(place, ("broken", BrokenFrom(3, error)))
    steps = list(evaluate(dataset, range(PAIRS), dict(named)))
    found = without_time(EvaluationState.from_dict(json.loads(json.dumps(steps[-1].to_dict()))))
    reason = found.pop("failed")["broken"]
    assert expected.pop("failed") == {}
    assert found == expected
    assert reason.startswith("sintel-clean/")
    assert ("error 700" if error else "not finite") in reason
    # Differences are to the first: without it, everything is computed again.
    assert len(steps) == PAIRS + (4 if place == 0 else 0)


def test_a_run_without_the_one_that_failed_is_resumed_without_it(dataset, engines):
    named = {**engines, "broken": BrokenFrom(1)}
    expected = without_time(last(evaluate(dataset, range(PAIRS), named)))
    steps = evaluate(dataset, range(PAIRS), {**engines, "broken": BrokenFrom(1)})
    for _ in range(3):
        state = next(steps)
    assert without_time(last(evaluate(dataset, range(PAIRS), named, state=state))) == expected


def test_pairs_of_other_sizes_go_alone(dataset):
    sizes = {}

    @dataclass
    class Mixed:
        def __getitem__(self, index):
            sample = dataset[index]
            rows = 48 if index < 4 else 32
            arrays = {name: getattr(sample, name)[:rows] for name in ("frame1", "frame2", "flow", "valid")}
            sizes[index] = arrays["frame1"].shape
            return type(sample)(**arrays, occluded=None, name=sample.name)

    engine = ConstantEngine(0)
    state = last(evaluate(Mixed(), range(PAIRS), {"one": engine}, batch=3))
    assert state.done == PAIRS
    assert engine.batches == [3, 1, 2]
    (result,) = state.results()
    assert result.accuracy is not None
    assert result.accuracy.occluded is None


def test_reading_ahead_is_bounded(dataset):
    reading, most, lock = [0], [0], threading.Lock()

    class Counting:
        def __getitem__(self, index):
            with lock:
                reading[0] += 1
                most[0] = max(most[0], reading[0] - consumed[0])
            return dataset[index % PAIRS]

    consumed = [0]
    for state in evaluate(Counting(), range(40), {"one": ConstantEngine(0)}, workers=2):
        consumed[0] = state.done
    assert consumed[0] == 40
    assert most[0] <= 2 * 2 + 2, "two per thread, one in the engine and one on its way"
