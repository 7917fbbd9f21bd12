"""The training loop."""

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch

from dinoflow_deploy.datasets import FlowSample
from dinoflow_deploy.errors import TrainingError
from dinoflow_deploy.progress import NoProgress, Progress
from dinoflow_deploy.train.batches import training_batches, validation_samples
from dinoflow_deploy.train.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from dinoflow_deploy.train.compilation import check_compiler
from dinoflow_deploy.train.data_folder import DataFolder
from dinoflow_deploy.train.distributed import Process, gather_objects, share_buffers
from dinoflow_deploy.train.model import FlowModel, load_model, save_model
from dinoflow_deploy.train.model.pretrained import load_backbone_weights
from dinoflow_deploy.train.opened_recipe import OpenedRecipe, open_recipe
from dinoflow_deploy.train.recipe import Recipe
from dinoflow_deploy.train.reporting import TensorBoardReport
from dinoflow_deploy.train.run_folder import RunFolder
from dinoflow_deploy.train.training_step import TrainingStep, runs_ahead, training_state
from dinoflow_deploy.train.validation import Validation, validate


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a run ended.

    Attributes:
        step: Optimiser steps done.
        start_epe: Validation end-point error of the weights it started from, px; ``None`` where these were
            random.
        best_epe: The lowest, that of the start included; infinite before the first validation.
        finished: False when it was interrupted; it can be resumed.
        folder: Where its files are.
    """

    step: int
    start_epe: float | None
    best_epe: float
    finished: bool
    folder: RunFolder

    @property
    def start_is_best(self) -> bool:
        """Whether training has not beaten the weights that it started from."""
        return self.start_epe is not None and self.best_epe >= self.start_epe


def check_run(
    recipe: Recipe,
    output: Path,
    processes: int,
    *,
    resume: bool,
    init_from: Path | None,
    data: DataFolder,
) -> None:
    """Raise what each of several processes would: once, before they are started.

    Raises:
        TrainingError: The run cannot start here.
        InputError: A data set is not there, or too small.
        FileFormatError: A file is missing or damaged; names it.
    """
    RunFolder(output).check(resume=resume, init_from=init_from)
    _check_batch_sizes(recipe, processes)
    open_recipe(recipe, data)
    if init_from:
        _initial_model(recipe, init_from, resuming=False)


def train(
    recipe: Recipe,
    output: Path,
    process: Process,
    *,
    resume: bool = False,
    init_from: Path | None = None,
    data: DataFolder | None = None,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train by a recipe; every process of the run calls this.

    Args:
        recipe: What to do.
        output: Folder of the run.
        process: Which of the processes this is.
        resume: Go on from the folder's checkpoint; a folder without one starts from the beginning.
        init_from: A complete model whose weights to start from. They are validated at step 0, and are the
            best model until one is better.
        data: Where the data sets of the recipe lie.
        progress: Receives steps.

    Raises:
        TrainingError: The run cannot start or resume here, or a loss or a gradient is not finite.
        InputError: A data set is not there, or too small.
        FileFormatError: A file is missing or damaged; names it.
    """
    folder = RunFolder(output)
    folder.check(resume=resume, init_from=init_from)
    _check_batch_sizes(recipe, process.world_size)
    progress = progress or NoProgress()
    opened = open_recipe(recipe, data)
    for line in [*opened.describe(), *_renderers(opened, process), *_shares(recipe, process)]:
        progress.note(line)
    if recipe.optimizer.compile:
        check_compiler(process.device)
    with folder.locked() if process.is_main else nullcontext():
        resuming = resume and folder.checkpoint.exists()
        state = _initial_state(recipe, init_from, process, resuming=resuming)
        # Once: it reads every photograph that textures are cut from.
        fingerprints = opened.fingerprints()
        if resuming:
            load_checkpoint(folder.checkpoint, state, recipe, process, fingerprints)
            progress.note(f"resuming {output} at step {state.step} of {opened.total_steps}")
        elif resume:
            progress.note(f"{output} holds no checkpoint yet: starting from the beginning")
        _check_same_step(state, folder)
        trainer = _Trainer(opened, fingerprints, folder, process, state, progress)
        return trainer.run(validate_start=init_from is not None)


class _Trainer:
    """One run: its parts, and the loop over steps."""

    def __init__(
        self,
        opened: OpenedRecipe,
        fingerprints: list[str],
        folder: RunFolder,
        process: Process,
        state: TrainingState,
        progress: Progress,
    ) -> None:
        self.opened = opened
        self.data = fingerprints
        self.recipe = recipe = opened.recipe
        self.folder = folder
        self.process = process
        self.state = state
        self.progress = progress
        self.step = TrainingStep(recipe, process, state)

    def run(self, *, validate_start: bool) -> TrainingResult:
        """All steps that are left; before them, if asked for, a validation of the weights as they are."""
        state, recipe, total_steps = self.state, self.recipe, self.opened.total_steps
        look_every = recipe.log_every if runs_ahead(self.process.device) else 1
        batches = training_batches(
            self.opened,
            state.step,
            self.process.rank,
            self.process.world_size,
            self.process.device,
        )
        with self._report() as report, _interruption(self.process) as interrupted:
            if validate_start:
                state.start_epe = self._validate(report)
                # From here on --resume goes on from these weights, and never from random ones.
                self._save(report)
            self.progress.start("training", total_steps - state.step, "steps")
            for stage, batch in () if interrupted else batches:
                self.step(stage, batch, self.opened.learning_rate(state.step))
                state.step += 1
                figures = self.step.look() if state.step % look_every == 0 else {}
                self.progress.advance(1, **figures)
                if report and state.step % recipe.log_every == 0:
                    report.scalars("training", figures, state.step)
                if self._after_step(report, interrupted):
                    break
            self.progress.finish()
        finished = state.step == total_steps
        return TrainingResult(state.step, state.start_epe, state.best_epe, finished, self.folder)

    def _after_step(self, report: TensorBoardReport | None, interrupted: list[int]) -> bool:
        """Validate and save where it is time to; whether to stop."""
        step, last = self.state.step, self.state.step == self.opened.total_steps
        if step % self.recipe.validation.every == 0 or last:
            self._validate(report)
        # Asked once: an interruption from here on waits for the next step's checkpoint.
        stopping = bool(interrupted)
        # After the validation's files: a run killed between the two does the validation again.
        if step % self.recipe.checkpoint_every == 0 or last or stopping:
            self._save(report)
        return stopping

    def _save(self, report: TensorBoardReport | None) -> None:
        """The checkpoint, and its model where ``--model`` takes it."""
        self.step.look()
        if report:
            # A run resumed from here does not report these steps again.
            report.flush()
            save_model(self._model, self.folder.last)
        save_checkpoint(self.folder.checkpoint, self.state, self.recipe, self.process, self.data)

    @property
    def _model(self) -> FlowModel:
        """What is validated and saved."""
        model = self.state.average.model if self.state.average else self.state.model
        assert isinstance(model, FlowModel)
        return model

    def _validate(self, report: TensorBoardReport | None) -> float:
        self.step.look()
        state, model = self.state, self._model
        share_buffers(model)
        result = validate(model, self._held_out(), self.process)
        improved = result.epe < state.best_epe
        state.best_epe = min(state.best_epe, result.epe)
        if report:
            self._keep(result, report, improved=improved)
        return result.epe

    def _held_out(self) -> Iterator[tuple[str, FlowSample]]:
        place = self.process
        return validation_samples(self.opened.held_out, place.rank, place.world_size, self.recipe.workers)

    def _keep(self, result: Validation, report: TensorBoardReport, *, improved: bool) -> None:
        report.validation(result, self.state.step)
        if improved:
            save_model(self._model, self.folder.best)
        parts = [f"{name} {each.everything.epe:.3f}" for name, each in result.accuracy.items()]
        self.progress.note(
            f"step {self.state.step}: validation EPE {result.epe:.3f} px"
            + (f" ({', '.join(parts)})" if len(parts) > 1 else "")
            + self._standing(improved=improved)
        )

    def _standing(self, *, improved: bool) -> str:
        if self.state.step == 0:
            return " (the start)"
        return " (best so far)" if improved else ""

    def _report(self) -> AbstractContextManager[TensorBoardReport | None]:
        if not self.process.is_main:
            return nullcontext()
        return TensorBoardReport(self.folder.tensorboard, self.state.step)


def _initial_state(
    recipe: Recipe, init_from: Path | None, process: Process, *, resuming: bool
) -> TrainingState:
    torch.manual_seed(recipe.seed)
    model = _initial_model(recipe, init_from, resuming=resuming)
    return training_state(model, recipe, process)


def _initial_model(recipe: Recipe, init_from: Path | None, *, resuming: bool) -> FlowModel:
    if init_from:
        model = load_model(init_from)
        found, due = model.config, recipe.model.config
        if found.name != due.name:
            fix = "choose weights of the same backbone"
            if found.backbone == due.backbone:
                fix = f'choose weights of that, or let the recipe say name = "{found.name}" in [model]'
            raise TrainingError(
                f"--init-from {init_from} is a {found.name} model and the recipe trains {due.name}: {fix}"
            )
        return model
    model = FlowModel(recipe.model.config)
    # A checkpoint holds the frozen backbone too, so that resuming needs no hub.
    if not recipe.model.train_backbone and not resuming:
        load_backbone_weights(model, recipe.model.backbone_weights)
    return model


def _check_batch_sizes(recipe: Recipe, processes: int) -> None:
    for index, stage in enumerate(recipe.stages):
        share, left = divmod(stage.batch_size, processes)
        if left:
            raise TrainingError(
                f"batch_size {stage.batch_size} of stage {index} cannot be shared by "
                f"{processes} processes: choose a multiple"
            )
        if stage.micro_batch and share % min(stage.micro_batch, share):
            raise TrainingError(
                f"micro_batch {stage.micro_batch} of stage {index} does not divide the {share} pairs of each "
                f"process ({stage.batch_size} shared by {processes}): choose a divisor"
            )


def _renderers(opened: OpenedRecipe, process: Process) -> Iterator[str]:
    """Which stages' scenes torch draws, and where."""
    for index, stage in enumerate(opened.stages):
        if described := stage.describe_device(process.device):
            yield f"stage {index}: {described}"


def _shares(recipe: Recipe, process: Process) -> Iterator[str]:
    """How a batch is shared out, where it is."""
    for index, stage in enumerate(recipe.stages):
        share = stage.batch_size // process.world_size
        parts = -(-share // (stage.micro_batch or share))
        if process.world_size > 1 or parts > 1:
            statistics = "its averages" if stage.freeze_batch_norm else "the pairs of a part"
            yield (
                f"stage {index}: {process.world_size} process(es) x {parts} part(s) x {share // parts} pairs "
                f"a step; BatchNorm takes its statistics from {statistics}"
            )


def _check_same_step(state: TrainingState, folder: RunFolder) -> None:
    steps = gather_objects(state.step)
    if len(set(steps)) > 1:
        raise TrainingError(
            f"the processes begin at different steps {steps}: --output {folder.path} must be one folder that "
            "all machines share"
        )


@contextmanager
def _interruption(process: Process) -> Iterator[list[int]]:
    """Collects Ctrl-C and ``kill``, so that a step is finished and saved before the run stops.

    A second one stops at once.

    Only for a run of one process: several would stop at different steps, and a checkpoint needs them all.
    They stop at once, and resume from their last checkpoint.
    """
    received: list[int] = []
    if process.world_size > 1:
        yield received
        return

    def remember(number: int, frame: FrameType | None) -> None:
        received.append(number)
        restore()

    def restore() -> None:
        for each, handler in previous.items():
            signal.signal(each, handler)

    previous = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in previous:
        signal.signal(each, remember)
    try:
        yield received
    finally:
        restore()
