"""A whole self-test: case by case, none of which can end the others."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from threading import Event
from typing import Any

from dinoflow_deploy.bench.engine_process import EngineSource
from dinoflow_deploy.bench.results import failure_reason
from dinoflow_deploy.bench.speed import measure_speed
from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.parity import Parity
from dinoflow_deploy.engines.backends import find_backend
from dinoflow_deploy.engines.kinds import SAFETENSORS
from dinoflow_deploy.engines.tensorrt.backend import PLAN
from dinoflow_deploy.errors import DinoFlowError, EngineError
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.progress import NoProgress, Progress
from dinoflow_deploy.selftest.cases import BUILT_ONLY, Case, SelfTestOptions, all_cases
from dinoflow_deploy.selftest.compare import compare
from dinoflow_deploy.selftest.export_command import ExportCommand
from dinoflow_deploy.selftest.obstacles import obstacle
from dinoflow_deploy.selftest.results import CaseResult, SelfTestResult
from dinoflow_deploy.system.machine import describe_machine, versions


def run_selftest(
    options: SelfTestOptions,
    progress: Progress,
    *,
    stop: Event | None = None,
    save: Callable[[SelfTestResult], None] | None = None,
) -> SelfTestResult:
    """Try every case of the options.

    A case exports its model by the command that a user types, compares its flow with PyTorch's in float32
    on the CPU, and measures its speed, each in a process of its own: one that dies fails its case alone.

    Args:
        options: What to try.
        progress: Told of each case.
        stop: When set, no further case is begun, and the result is partial.
        save: Called with the partial result after each case.
    """
    stop = stop or Event()
    environment = {"machine": asdict(describe_machine()), "versions": versions()}
    result = SelfTestResult(environment, asdict(options), partial=True)
    cases = all_cases(options)
    progress.start("self-test", len(cases), "cases")
    with tempfile.TemporaryDirectory(prefix="dinoflow-selftest-") as folder:
        runner = _Runner(options, Path(folder), stop)
        for case in cases:
            found = runner.run(case)
            if stop.is_set():
                break
            result = replace(result, results=(*result.results, found))
            if found.outcome != "skipped":
                progress.note(f"{found.outcome}  {case.label}{': ' if found.reason else ''}{found.reason}")
            if save:
                save(result)
            progress.advance(1)
    progress.finish()
    return replace(result, partial=stop.is_set())


class _Runner:
    """Runs cases, and keeps what several of them need."""

    def __init__(self, options: SelfTestOptions, folder: Path, stop: Event) -> None:
        self._options = options
        self._folder = folder
        self._stop = stop
        self._weights: dict[str, Path | str] = {}
        self._exports: dict[ExportCommand, tuple[Path, float]] = {}

    def run(self, case: Case) -> CaseResult:
        # What is known so far, also of a case that fails.
        found: dict[str, Any] = {}
        try:
            return self._run(case, found)
        except KeyboardInterrupt:
            self._stop.set()
            return CaseResult(case, "failed", "interrupted", **found)
        except Exception as error:  # whatever it is: to report what goes wrong here is what this is for
            return CaseResult(case, "failed", failure_reason(error), **found)

    def _run(self, case: Case, found: dict[str, Any]) -> CaseResult:
        problem = obstacle(case)
        if problem:
            return CaseResult(case, "skipped", problem)
        weights = self._model(case.model)
        if isinstance(weights, str):
            return CaseResult(case, "skipped", weights)
        (self._as_it_is if case.artefact == SAFETENSORS.name else self._exported)(case, weights, found)
        return CaseResult(case, "passed", **found)

    def _model(self, name: str) -> Path | str:
        """The complete model, or why there is none."""
        if name not in self._weights:
            self._weights[name] = self._find(name)
        return self._weights[name]

    def _find(self, name: str) -> Path | str:
        builtin = builtin_models().get(name)
        if builtin:
            return builtin.weights
        from dinoflow_deploy.export import ModelSource
        from dinoflow_deploy.train.model import save_model

        path = self._folder / f"{name}.safetensors"
        try:
            save_model(ModelSource(name, self._options.head, self._options.backbone_weights).load(), path)
        except DinoFlowError as error:
            return f"its weights are not there: {error}"
        return path

    def _as_it_is(self, case: Case, weights: Path, found: dict[str, Any]) -> None:
        source = EngineSource(str(weights), case.backend, case.device, {"precision": case.precision})
        found["model_bytes"] = weights.stat().st_size
        # In float32 on the CPU it is what the others are compared with.
        if (case.device, case.precision) != ("cpu", "fp32"):
            found["parity"] = compare(source, case.precision, weights)
        self._measure({case.label: source}, found)

    def _exported(self, case: Case, weights: Path, found: dict[str, Any]) -> None:
        command = ExportCommand.of(case, self._options.size)
        found["command"] = command.text(case.label)
        folder, found["seconds"] = self._export(command, weights)
        bundle = Bundle.open(folder)
        run = bundle.manifest.artefacts[-1].file
        found["model_bytes"] = bundle.manifest.files[run].bytes
        # What is built alone shows what the parser takes.
        if case.backend not in BUILT_ONLY:
            sources = _engines(case, folder)
            plain, *graph = sources.values()
            found["parity"] = _own_parity(case, bundle) or compare(plain, case.precision, weights)
            # The export did not run this one.
            for source in graph:
                compare(source, case.precision, weights)
            self._measure(sources, found)

    def _export(self, command: ExportCommand, weights: Path) -> tuple[Path, float]:
        """Run an export, unless another case has."""
        if command not in self._exports:
            folder = self._folder / f"bundle-{len(self._exports)}"
            self._exports[command] = folder, command.run(weights, folder)
        return self._exports[command]

    def _measure(self, sources: dict[str, EngineSource], found: dict[str, Any]) -> None:
        rounds = measure_speed(
            sources,
            self._options.size,
            batch=1,
            rounds=1,
            seconds=self._options.seconds,
            progress=NoProgress(),
            stop=self._stop,
        )
        for done in rounds:
            found["speed"] = done.results
            if done.failures:
                plain = next(iter(sources))
                reasons = (
                    each.reason if each.engine == plain else f"with a CUDA graph: {each.reason}"
                    for each in done.failures
                )
                raise EngineError("; ".join(reasons))


def _own_parity(case: Case, bundle: Bundle) -> Parity | None:
    """What the export found when it ran the same engine; nothing if it did not."""
    if case.artefact == PLAN.name:
        return bundle.manifest.artefacts[-1].parity
    if case.device != "cpu":
        return None
    onnx = bundle.manifest.onnx
    found = [parity for parity in (onnx.parity, *onnx.further_parity) if parity is not None]
    return next((parity for parity in found if parity.engine.split()[0] == case.backend), None)


def _engines(case: Case, folder: Path) -> dict[str, EngineSource]:
    plain = EngineSource(str(folder), case.backend, case.device, {})
    if case.static and find_backend(case.backend).takes("cuda_graph"):
        graph = replace(plain, options={"cuda_graph": True})
        return {case.label: plain, f"{case.label}-cuda-graph": graph}
    return {case.label: plain}
