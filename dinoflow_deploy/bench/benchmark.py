"""A whole benchmark: engines, data sets, speed, in one run that can be interrupted and resumed."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dinoflow_deploy.bench.engine_process import EngineSource
from dinoflow_deploy.bench.evaluation import EvaluationState, evaluate
from dinoflow_deploy.bench.results import (
    LOADING,
    BenchResult,
    DatasetResult,
    Example,
    Failure,
    failure_reason,
)
from dinoflow_deploy.bench.speed import SpeedRun, measure_speed
from dinoflow_deploy.bundles.manifest import PRECISIONS
from dinoflow_deploy.datasets import FlowDataset, FlowSample, open_dataset
from dinoflow_deploy.datasets.flow_dataset import spread_evenly
from dinoflow_deploy.engines import FlowEngine
from dinoflow_deploy.engines.backends import all_backends, compared_by_name
from dinoflow_deploy.errors import EngineError, InputError
from dinoflow_deploy.progress import Progress
from dinoflow_deploy.system.machine import describe_machine, versions

SECONDS_BETWEEN_SAVES: Final = 30.0
# What may differ between a run and its resumption: nothing of it changes a figure of accuracy.
_FREE_TO_CHANGE: Final = {"workers", "batch", "rounds", "seconds", "size", "speed"}


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What to measure.

    Attributes:
        models: Built-in names or paths.
        backends: ``"auto"`` or names; every model runs on every one, those of
            others (``compared_by_name``) on their own.
        device: ``"auto"`` or a name.
        precision: What every engine must compute in; ``None`` takes them as they are.
        datasets: Name and root of each data set.
        size: Height and width in pixels of the frames for speed.
        batch: Pairs per call.
        limit: Pairs of each data set, spread evenly; ``None`` for all.
        workers: Threads that read pairs.
        rounds: Turns of each engine for speed.
        seconds: Length of a turn.
        speed: Whether to measure speed.
        engine_options: What every engine is made with, such as ``{"cuda_graph": True}``; one that has no such
            option fails.
        allow_missing: Leave out pairs with missing files, and list the files, in place of raising.
    """

    models: tuple[str, ...]
    backends: tuple[str, ...] = ("auto",)
    device: str = "auto"
    precision: str | None = None
    datasets: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (448, 1024)
    batch: int = 1
    limit: int | None = None
    workers: int = 2
    rounds: int = 5
    seconds: float = 2.0
    speed: bool = True
    engine_options: dict[str, Any] = field(default_factory=dict)
    allow_missing: bool = False

    def __post_init__(self) -> None:
        """Check ranges."""
        if not self.models or not self.backends:
            raise InputError("nothing to measure: give at least one model and one backend")
        least = {"batch": self.batch, "limit": self.limit, "workers": self.workers, "rounds": self.rounds}
        for name, value in least.items():
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}: it must be 1 or more")
        if not 0 < self.seconds < float("inf"):
            raise InputError(f"seconds is {self.seconds}: it must be above 0")
        if min(self.size) < 16:
            raise InputError(f"frames of {self.size[0]}x{self.size[1]} are below 16x16: measure larger ones")
        if self.precision not in (None, *PRECISIONS):
            raise InputError(f"the precision '{self.precision}' is not one of {', '.join(PRECISIONS)}")
        if not (self.datasets or self.speed):
            raise InputError("nothing to measure: give a data set, or measure speed")

    def sources(self) -> dict[str, EngineSource]:
        """Every model on every backend, by label.

        Raises:
            InputError: Two would have the same label.
        """
        found: dict[str, EngineSource] = {}
        for model in self.models:
            # Which have no other, and are there to be compared with what has.
            for backend in ("auto",) if model in compared_by_name() else self.backends:
                label = Path(model).name if backend == "auto" else f"{Path(model).name} {backend}"
                # Two files may share a name, runs of a trainer even usually do.
                label = f"{model} {backend}" if label in found else label
                if label in found:
                    raise InputError(f"{model} on {backend} is given twice: name each once")
                found[label] = EngineSource(model, backend, self.device, self._options(backend))
        return found

    def _options(self, backend: str) -> dict[str, Any]:
        # Others compute in what they were exported in.
        asked = {"precision": self.precision} if self.precision and backend in _taking_precision() else {}
        return {**self.engine_options, **asked}


@dataclass(frozen=True, slots=True)
class _Evaluated:
    """A data set and how far it is."""

    name: str
    root: str
    dataset: FlowDataset
    wanted: Sequence[int]
    state: EvaluationState

    def examples(self) -> tuple[Example, ...]:
        """The worst, median and best of the pairs evaluated."""
        known = [(epe, place) for place, epe in enumerate(self.state.pair_epe) if epe is not None]
        if not known:
            return ()
        known.sort()
        chosen = {"worst": known[-1], "median": known[len(known) // 2], "best": known[0]}
        indices = {kind: self.wanted[place] for kind, (_, place) in chosen.items()}
        return tuple(
            Example(kind, self.dataset.pairs[indices[kind]].name, indices[kind], epe)
            for kind, (epe, _) in chosen.items()
        )

    def result(self) -> DatasetResult:
        """What is known so far."""
        return DatasetResult(
            self.name,
            self.root,
            pairs=len(self.dataset),
            wanted=len(self.wanted),
            evaluated=self.state.done,
            engines=self.state.results(),
            examples=self.examples(),
            missing=tuple(map(str, self.dataset.missing)),
            synthetic=self.dataset.synthetic,
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """A pair to look at.

    Attributes:
        dataset: Name of the data set.
        example: Which pair.
        sample: The pair.
        flows: What each engine made of it, ``float32 [H, W, 2]`` by label.
    """

    dataset: str
    example: Example
    sample: FlowSample
    flows: dict[str, NDArray[np.float32]]


def run_benchmark(
    options: BenchOptions,
    progress: Progress,
    *,
    stop: Event | None = None,
    save: Callable[[BenchResult], None] | None = None,
    before: BenchResult | None = None,
    show: Callable[[Shown], None] | None = None,
) -> BenchResult:
    """Measure accuracy on each data set, then speed.

    An engine that cannot be loaded, or fails on a data set or at speed, is named there with its reason, and
    the others go on.

    Args:
        options: What.
        progress: Told of each batch and turn.
        stop: When set, what is being computed is finished and the rest left, as a partial result.
        save: Called with the partial result, from which the run can be resumed, about every 30 s, and when
            an error ends the run.
        before: A partial result of the same settings to go on from.
        show: Called with the worst, median and best pair of each data set, which are computed again for it.

    Raises:
        InputError: A data set is not there, or ``before`` is of other settings.
        FileFormatError: A file of a data set is missing or damaged.
        DinoFlowError: No engine can be loaded.
    """
    stop = stop or Event()
    opened = {
        name: open_dataset(name, root, allow_missing=options.allow_missing)
        for name, root in options.datasets.items()
    }
    for name, dataset in opened.items():
        for path in dataset.missing:
            progress.note(f"{name}: missing, and left out with the pairs that need it: {path}")
    run = _Run(options, progress, stop, save)
    with ExitStack() as stack:
        engines = run.load(stack)
        states = run.states(before)
        with run.saved_on_error():
            for name, dataset in opened.items():
                run.evaluate(name, dataset, engines, states.get(name))
                if show:
                    run.show(name, engines, show)
    if options.speed and not stop.is_set():
        with run.saved_on_error():
            run.measure_speed()
    return run.result(partial=stop.is_set())


class _Run:
    """What a run has found so far."""

    def __init__(
        self,
        options: BenchOptions,
        progress: Progress,
        stop: Event,
        save: Callable[[BenchResult], None] | None,
    ) -> None:
        self.options = options
        self.progress = progress
        self.stop = stop
        self.save = save
        self.engines: dict[str, Any] = {}
        self.evaluated: dict[str, _Evaluated] = {}
        self.speed = SpeedRun((), ())
        self.not_loaded: list[Failure] = []
        self.saved = time.monotonic()
        environment = {"machine": asdict(describe_machine()), "versions": versions()}
        # As JSON has it: tuples become lists.
        self.environment = json.loads(json.dumps(environment))

    def load(self, stack: ExitStack) -> dict[str, FlowEngine]:
        """The engines that can be loaded.

        Raises:
            DinoFlowError: None can be.
        """
        engines: dict[str, FlowEngine] = {}
        errors: list[Exception] = []
        for label, source in self.options.sources().items():
            try:
                engine = stack.enter_context(source.load())
                _check_precision(label, engine, self.options)
                self.engines[label], engines[label] = _described(engine), engine
            except Exception as error:  # whatever a library raises: the other engines go on
                errors.append(error)
                self._left_out(Failure(label, LOADING, failure_reason(error)))
        if len(errors) == 1 and not engines:
            raise errors[0]
        if not engines:
            reasons = "; ".join(f"{each.engine}: {each.reason}" for each in self.not_loaded)
            raise EngineError(f"none of the engines can be loaded: {reasons}")
        return engines

    def _left_out(self, failure: Failure) -> None:
        self.not_loaded.append(failure)
        self.progress.note(f"{failure.engine} failed, and is left out: {failure.reason}")

    def states(self, before: BenchResult | None) -> dict[str, EvaluationState]:
        """Where each data set was, in the run to go on with."""
        if before is None:
            return {}
        mine = self.result(partial=True)
        settings = {
            name
            for name in mine.settings
            if name not in _FREE_TO_CHANGE and mine.settings[name] != before.settings.get(name)
        }
        if settings:
            raise InputError(
                f"the result to resume was measured with other settings ({', '.join(sorted(settings))} "
                "differ): resume with the same, or start anew"
            )
        if before.engines != mine.engines:
            raise InputError(
                "the result to resume was measured with other engines: their files or versions have changed; "
                "start anew"
            )
        return {name: EvaluationState.from_dict(state) for name, state in before.state.items()}

    def evaluate(
        self,
        name: str,
        dataset: FlowDataset,
        engines: Mapping[str, FlowEngine],
        state: EvaluationState | None,
    ) -> None:
        """Evaluate one data set, or what is left of it."""
        wanted = spread_evenly(len(dataset), self.options.limit)
        state = state or EvaluationState.start(engines)
        root = self.options.datasets[name]
        self.evaluated[name] = _Evaluated(name, root, dataset, wanted, state)
        if self.stop.is_set():
            return
        self.progress.start(name, len(wanted) - state.done, "pairs")
        steps = evaluate(
            dataset, wanted, engines, batch=self.options.batch, workers=self.options.workers, state=state
        )
        for reached in steps:
            self._show_step(name, state, reached, len(wanted))
            state = reached
            self.evaluated[name] = _Evaluated(name, root, dataset, wanted, state)
            self._save_at_times()
            if self.stop.is_set():
                break
        self.progress.finish()

    def _show_step(self, name: str, state: EvaluationState, reached: EvaluationState, wanted: int) -> None:
        for label in reached.failed.keys() - state.failed.keys():
            self.progress.note(f"{label} failed on {name}, and is left out: {reached.failed[label]}")
        if reached.done < state.done:
            # From the beginning, with the first of the others as the one to compare with.
            self.progress.start(name, wanted, "pairs")
            return
        self.progress.advance(reached.done - state.done, **_running_epe(reached))

    def _save_at_times(self) -> None:
        if self.save and time.monotonic() - self.saved > SECONDS_BETWEEN_SAVES:
            self.save(self.result(partial=True))
            self.saved = time.monotonic()

    @contextmanager
    def saved_on_error(self) -> Iterator[None]:
        """Save what is known when a damaged file, or somebody's second Ctrl-C, ends the run."""
        try:
            yield
        except BaseException:
            if self.save:
                self.save(self.result(partial=True))
            raise

    def measure_speed(self) -> None:
        """Measure the speed of the engines that can be loaded."""
        options = self.options
        rounds = measure_speed(
            {label: source for label, source in options.sources().items() if label in self.engines},
            options.size,
            batch=options.batch,
            rounds=options.rounds,
            seconds=options.seconds,
            progress=self.progress,
            stop=self.stop,
        )
        for self.speed in rounds:
            self._save_at_times()

    def show(self, name: str, engines: Mapping[str, FlowEngine], show: Callable[[Shown], None]) -> None:
        """Compute the pairs to look at, one at a time."""
        evaluated = self.evaluated[name]
        for example in evaluated.examples():
            sample = evaluated.dataset[example.index]
            working = evaluated.state.engines.keys() - evaluated.state.failed.keys()
            flows = {
                label: engine(sample.frame1, sample.frame2)
                for label, engine in engines.items()
                if label in working
            }
            show(Shown(name, example, sample, flows))

    def result(self, *, partial: bool) -> BenchResult:
        """What is known so far."""
        return BenchResult(
            environment=self.environment,
            # As JSON has it, so that a saved result compares equal.
            settings={
                name: list(value) if isinstance(value, tuple) else value
                for name, value in asdict(self.options).items()
            },
            engines=self.engines,
            datasets=tuple(each.result() for each in self.evaluated.values()),
            speed=self.speed.results,
            partial=partial,
            state={name: each.state.to_dict() for name, each in self.evaluated.items()},
            failures=tuple(self._failures()),
        )

    def _failures(self) -> Iterator[Failure]:
        yield from self.not_loaded
        for name, each in self.evaluated.items():
            yield from (Failure(label, name, reason) for label, reason in each.state.failed.items())
        yield from self.speed.failures


def _running_epe(state: EvaluationState) -> dict[str, float]:
    everything = next(iter(state.engines.values())).accuracy.everything
    return {"epe": float(everything.epe / everything.pixels)} if everything.pixels else {}


def _check_precision(label: str, engine: FlowEngine, options: BenchOptions) -> None:
    found = engine.describe().precision
    if options.precision is not None and found == "unknown":
        raise InputError(f"{label} does not say what it computes in: pass a bundle, or no --precision")
    if options.precision not in (None, found):
        raise InputError(
            f"{label} computes in {found}, and --precision asks for {options.precision}: export the model "
            f"with --precision {options.precision}, or use the {' or '.join(_taking_precision())} backend"
        )


def _taking_precision() -> list[str]:
    """The backends that compute in what they are asked to."""
    return [backend.name for backend in all_backends() if backend.takes("precision")]


def _described(engine: FlowEngine) -> dict[str, Any]:
    """What an engine is, with the hash of the file it was loaded from."""
    description = engine.describe().to_dict()
    path = Path(engine.describe().source or "")
    file = path / "model.onnx" if path.is_dir() else path
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
    return description | {"sha256": digest}
