"""A run over many clips: what is done is left alone, the rest is shared out, and every clip gets its row."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from dinoflow_deploy.atomic import remove_leftovers
from dinoflow_deploy.errors import DinoFlowError
from dinoflow_deploy.extract.choices import FlowChoices
from dinoflow_deploy.extract.engine_choice import EngineChoice
from dinoflow_deploy.extract.inputs import find_clips
from dinoflow_deploy.extract.manifest import Manifest, open_manifest
from dinoflow_deploy.extract.places import placed_tasks
from dinoflow_deploy.extract.report import ExtractReport
from dinoflow_deploy.extract.row import ClipRow
from dinoflow_deploy.extract.settings_file import Settings
from dinoflow_deploy.extract.source_state import SourceState
from dinoflow_deploy.extract.task import Task
from dinoflow_deploy.extract.worker import WorkerSettings
from dinoflow_deploy.extract.workers import Workers, check_workers, make_workers
from dinoflow_deploy.progress import NoProgress, Progress


def extract(
    inputs: Sequence[str],
    output: Path,
    engine: EngineChoice | None = None,
    choices: FlowChoices | None = None,
    *,
    workers: int | None = None,
    ray: str | None = None,
    retry_failed: bool = False,
    progress: Progress | None = None,
    stop: Event | None = None,
) -> ExtractReport:
    """Compute the flow of many clips into a folder, with a manifest.

    What the folder holds of the same model, options and clips is left alone. Nothing that is finished is
    lost, however the run ends.

    Args:
        inputs: Clips, folders, patterns, and lists of clips (:func:`~.inputs.find_clips`).
        output: The folder, made where it is missing.
        engine: What computes; by default ``nano``.
        choices: Which flow, and how it is kept.
        workers: Processes, or actors of Ray; by default one for each GPU, or one on each machine.
        ray: Share clips out by Ray: the address of a cluster, or ``""`` for the one that runs here, or a new
            one. ``None`` for processes of this machine.
        retry_failed: Compute clips again that failed before and did not change since.
        progress: Told of every clip.
        stop: Ends the run early when set: what is being computed is given up.

    Returns:
        What came of it; clips that failed are in it, and not raised.

    Raises:
        InputError: An input is missing, the folder is of another model or run, or holds something else, the
            disk is full, or there are fewer cores than workers.
        FileFormatError: A list or the manifest is damaged.
        MissingPackageError: pyarrow is not installed, or Ray, which is wanted.
        DinoFlowError: The engine cannot be loaded.
    """
    engine, choices = engine or EngineChoice("nano"), choices or FlowChoices()
    began, stop = time.monotonic(), stop or Event()
    check_workers(ray)
    settings = Settings.of(engine.model, engine.sha256(), engine.precision, choices)
    clips = find_clips(inputs, output)
    with open_manifest(output, settings) as manifest:
        tasks = placed_tasks(clips, manifest.rows, output, choices)
        to_do = _to_do(tasks, manifest, retry_failed=retry_failed)
        run = _Run(manifest, progress or NoProgress(), len(to_do))
        _sweep(to_do)
        shared = WorkerSettings(engine, choices, settings.model_sha256)
        where = "none"
        if to_do:
            pool = make_workers(shared, workers, ray)
            run.follow(pool, to_do, stop)
            where = pool.description
            _sweep(to_do)
        failures = [manifest.rows[task.path] for task in tasks if _failed(manifest, task)]
        given = {task.path for task in to_do}
        skipped = sum(_done(manifest, task) for task in tasks if task.path not in given)
    return ExtractReport(
        output=str(output),
        clips=len(tasks),
        done=len(run.done),
        skipped=skipped,
        failures=tuple(failures),
        pairs=run.pairs,
        seconds=time.monotonic() - began,
        model=engine.model,
        model_sha256=settings.model_sha256,
        workers=where,
        interrupted=stop.is_set() and len(run.done) + run.failed < len(to_do),
    )


@dataclass
class _Run:
    """The rows of a run as they come.

    Attributes:
        done: Clips that are done, by their paths.
        pairs: Their pairs.
        failed: How many clips have failed.
    """

    manifest: Manifest
    progress: Progress
    total: int
    done: set[str] = field(default_factory=set)
    pairs: int = 0
    failed: int = 0

    def follow(self, pool: Workers, tasks: Sequence[Task], stop: Event) -> None:
        self.progress.start("extract", self.total, "clips")
        began = time.monotonic()
        # Closed at once, however this ends: it holds what computes.
        with closing(pool.rows(tasks, stop)) as rows:
            for row in rows:
                if row is not None:
                    self._keep(row)
                rate = max(pool.pairs, self.pairs) / max(time.monotonic() - began, 1e-6)
                self.progress.advance(0 if row is None else 1, **{"pairs/s": rate, "failed": self.failed})
        self.progress.finish()

    def _keep(self, row: ClipRow) -> None:
        self.manifest.add(row)
        if row.done:
            self.done.add(row.path)
            self.pairs += row.pairs or 0
        else:
            self.failed += 1


def _to_do(tasks: Sequence[Task], manifest: Manifest, *, retry_failed: bool) -> list[Task]:
    return [task for task in tasks if not _is_settled(task, manifest.rows.get(task.path), retry_failed)]


def _is_settled(task: Task, row: ClipRow | None, retry_failed: bool) -> bool:
    """Whether nothing is to be done for a clip: its row is of it as it is now, and its flow is there."""
    if row is None or (row.source_files, row.source_bytes, row.source_mtime_ns) != _state(task):
        return False
    return _is_there(task, row) if row.done else not retry_failed


def _state(task: Task) -> tuple[int | None, int | None, int | None]:
    try:
        state = SourceState.of(Path(task.path))
    except (OSError, DinoFlowError):
        return None, None, None
    return state.files, state.bytes, state.mtime_ns


def _is_there(task: Task, row: ClipRow) -> bool:
    rgb_target = task.rgb_target
    if rgb_target is not None and not rgb_target.is_file():
        return False
    return task.flow_bytes() == row.file_bytes


def _done(manifest: Manifest, task: Task) -> bool:
    row = manifest.rows.get(task.path)
    return row is not None and row.done


def _failed(manifest: Manifest, task: Task) -> bool:
    row = manifest.rows.get(task.path)
    return row is not None and not row.done


def _sweep(tasks: Sequence[Task]) -> None:
    """Remove what workers left that were killed while they wrote."""
    for folder in {target.parent for task in tasks for target in (task.target, task.rgb_target) if target}:
        remove_leftovers(folder)
