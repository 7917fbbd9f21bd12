"""Training runs of the smallest model, from start to end, interrupted, resumed and refused."""

import dataclasses
import itertools
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dinoflow_deploy import load_engine
from dinoflow_deploy.errors import DinoFlowError, ModelError, TrainingError
from dinoflow_deploy.train import trainer, training_step
from dinoflow_deploy.train.batches import Batch
from dinoflow_deploy.train.checkpoint import save_checkpoint
from dinoflow_deploy.train.distributed import Process
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, load_model, save_model
from dinoflow_deploy.train.objective import Objective
from dinoflow_deploy.train.opened_recipe import OpenedRecipe, open_recipe
from dinoflow_deploy.train.recipe import Recipe, Stage
from dinoflow_deploy.train.run_folder import RunFolder
from dinoflow_deploy.train.trainer import TrainingResult, train
from dinoflow_deploy.train.validation import Validation, validate
from tests.train.micro import CPU, Recorder, assert_equal, micro_recipe

pytestmark = pytest.mark.slow

FILES = ("checkpoint.safetensors", "best.safetensors", "last.safetensors")


@pytest.fixture
def recipe(tmp_path, micro) -> Recipe:
    return micro_recipe(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, micro) -> tuple[Path, Recorder, TrainingResult]:
    """A run of ``recipe`` from start to end, to be read only."""
    folder, recorder = tmp_path_factory.mktemp("whole"), Recorder()
    result = train(micro_recipe(folder), folder / "run", CPU, progress=recorder)
    return folder / "run", recorder, result


@pytest.fixture
def weights(tmp_path, micro) -> Path:
    """A complete model to start from."""
    torch.manual_seed(77)
    save_model(FlowModel(FlowModelConfig(micro)), tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def _part(path: Path, prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in load_file(path).items() if k.startswith(prefix)}


def _assert_same_run(first: Path, second: Path) -> None:
    for name in FILES:
        assert_equal(load_file(first / name), load_file(second / name))


def _changed_batch(monkeypatch: pytest.MonkeyPatch, step: int, change: Callable[[Batch], object]) -> None:
    """Change the batch of one step of every run."""
    original = trainer.training_batches

    def batches(opened: OpenedRecipe, first: int, *place: Any) -> Iterator[tuple[Stage, Batch]]:
        for index, (stage, batch) in enumerate(original(opened, first, *place), first):
            if index == step:
                change(batch)
            yield stage, batch

    monkeypatch.setattr(trainer, "training_batches", batches)


def test_a_run_leaves_its_files_and_says_how_it_went(whole):
    folder, recorder, result = whole
    assert result == TrainingResult(10, None, result.best_epe, True, RunFolder(folder))
    assert not result.start_is_best
    assert 0 < result.best_epe < 100
    present = {path.name for path in folder.iterdir()}
    assert present >= {*FILES, "tensorboard"}
    assert len(recorder.figures) == 10
    assert all(np.isfinite(list(figures.values())).all() for figures in recorder.figures)
    # Every third step, and the last.
    assert [note.split(":")[0] for note in recorder.notes[3:]] == [f"step {step}" for step in (3, 6, 9, 10)]
    assert "(best so far)" in recorder.notes[3]


def test_the_same_run_twice_gives_the_same_weights(tmp_path, recipe, whole):
    torch.manual_seed(123)
    train(recipe, tmp_path / "run", CPU)
    _assert_same_run(tmp_path / "run", whole[0])


def test_loss_falls_on_a_problem_that_stays_the_same(tmp_path, micro, monkeypatch):
    recipe = micro_recipe(tmp_path, steps="40", learning_rate="1e-2", every="1000", checkpoint_every="1000")
    stage, batch = next(trainer.training_batches(open_recipe(recipe), 40, 0, 1, CPU.device))
    assert stage.flow_weight == 1.0
    monkeypatch.setattr(trainer, "training_batches", lambda *_, **__: iter([(stage, batch)] * 80))
    recorder = Recorder()
    train(recipe, tmp_path / "run", CPU, progress=recorder)
    losses = [figures["loss"] for figures in recorder.figures]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_saved_models_hold_the_average_and_run_in_the_engine(whole):
    folder, _, _ = whole
    last, checkpoint = load_file(folder / "last.safetensors"), folder / "checkpoint.safetensors"
    assert_equal(last, _part(checkpoint, "average."))
    name = "head.output_conv.4.bias"
    assert not torch.equal(last[name], _part(checkpoint, "model.")[name])
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 80, 3), np.uint8)
    images = torch.from_numpy(frames).movedim(-1, 1).float() / 255
    for name in ("best", "last"):
        path = folder / f"{name}.safetensors"
        with torch.no_grad():
            expected = load_model(path)(images[:1], images[1:])[0].movedim(0, -1).numpy()
        with load_engine(path, device="cpu") as engine:
            np.testing.assert_allclose(engine(*frames), expected, atol=1e-5)


def _with_errors(monkeypatch: pytest.MonkeyPatch, *errors: float) -> list[dict[str, Tensor]]:
    """Let validations find these errors; gives the models that they see."""
    left = iter(errors)
    models: list[dict[str, Tensor]] = []

    def recording(model: FlowModel, *arguments: Any) -> Validation:
        models.append({name: value.clone() for name, value in model.state_dict().items()})
        return dataclasses.replace(validate(model, *arguments), epe=next(left))

    monkeypatch.setattr(trainer, "validate", recording)
    return models


def test_best_is_the_model_of_the_lowest_validation(tmp_path, recipe, monkeypatch):
    models = _with_errors(monkeypatch, 3.0, 2.0, 4.0, 2.0)
    result = train(recipe, tmp_path / "run", CPU)
    assert result.best_epe == 2.0
    assert_equal(load_file(tmp_path / "run/best.safetensors"), models[1])
    assert_equal(load_file(tmp_path / "run/last.safetensors"), models[3])


def test_without_an_average_the_model_itself_is_saved(tmp_path, micro):
    train(micro_recipe(tmp_path, ema_decay="0"), tmp_path / "run", CPU)
    checkpoint = tmp_path / "run/checkpoint.safetensors"
    assert_equal(load_file(tmp_path / "run/last.safetensors"), _part(checkpoint, "model."))
    assert not _part(checkpoint, "average.")


# Backbone: frozen or not.


def test_a_frozen_backbone_stays_as_it_was_read(tmp_path, weights, monkeypatch):
    modes: list[tuple[bool, bool, bool]] = []
    original = Objective.forward

    def forward(self: Objective, *arguments: Any) -> Tensor:
        backbone, head = self.model.backbone, self.model.head
        modes.append((backbone.training, backbone.rotary.training, head.training))
        return original(self, *arguments)

    monkeypatch.setattr(Objective, "forward", forward)
    recipe = micro_recipe(tmp_path, train_backbone=f'false\nbackbone_weights = "{weights}"')
    train(recipe, tmp_path / "run", CPU)
    # After validations too.
    assert modes == [(False, False, True)] * 10
    for name in ("last", "best"):
        assert_equal(_part(tmp_path / f"run/{name}.safetensors", "backbone."), _part(weights, "backbone."))
    assert_equal(
        _part(tmp_path / "run/checkpoint.safetensors", "model.backbone."), _part(weights, "backbone.")
    )


def test_resuming_does_not_need_the_published_backbone_again(tmp_path, weights, monkeypatch):
    recipe = micro_recipe(tmp_path, train_backbone=f'false\nbackbone_weights = "{weights}"')
    train(recipe, tmp_path / "whole", CPU)
    train(recipe, tmp_path / "run", CPU, progress=_InterruptedAt(3))
    weights.unlink()
    assert train(recipe, tmp_path / "run", CPU, resume=True).finished
    _assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_backbone_that_learns_does(recipe, whole):
    torch.manual_seed(recipe.seed)
    first = FlowModel(FlowModelConfig("micro")).backbone.state_dict()
    last = _part(whole[0] / "checkpoint.safetensors", "model.backbone.")
    changed = {name for name, value in first.items() if not torch.equal(value, last[name])}
    # Nothing reads the last norm.
    assert first.keys() - changed == {"norm.weight", "norm.bias"}


def test_a_frozen_backbone_that_is_not_published_is_refused(tmp_path, micro):
    with pytest.raises(ModelError, match="no backbone is published for 'micro'"):
        train(micro_recipe(tmp_path, train_backbone="false"), tmp_path / "run", CPU)


# What is not finite.


def test_a_loss_that_is_not_finite_stops_and_names_the_batch(tmp_path, recipe, whole, monkeypatch):
    original = Objective.forward
    calls: list[None] = []

    def forward(self: Objective, *arguments: Any) -> Tensor:
        calls.append(None)
        return original(self, *arguments) * (torch.nan if len(calls) == 6 else 1.0)

    monkeypatch.setattr(Objective, "forward", forward)
    with pytest.raises(TrainingError) as error:
        train(recipe, tmp_path / "run", CPU)
    names = ", ".join(f"synthetic/seed=2/index={index}" for index in (4, 5, 6, 7))
    for part in (
        "the loss is nan at step 5, rank 0",
        names,
        "learning_rate",
        "autocast = 'off'",
        "--init-from",
    ):
        assert part in str(error.value)
    # Every second step is saved: that of step 4 is whole, and the run can go on from it.
    train(recipe, tmp_path / "run", CPU, resume=True)
    _assert_same_run(tmp_path / "run", whole[0])


def test_a_gradient_that_is_not_finite_reaches_neither_weights_nor_checkpoint(
    tmp_path, recipe, whole, monkeypatch
):
    original = Objective.forward
    calls: list[None] = []

    def forward(self: Objective, *arguments: Any) -> Tensor:
        calls.append(None)
        loss = original(self, *arguments)
        # 0 * sqrt(0) is 0, its derivative is not a number.
        hidden = 0 * (self.model.head.output_conv[4].bias.sum() * 0).sqrt()
        return loss + hidden if len(calls) == 8 else loss

    monkeypatch.setattr(Objective, "forward", forward)
    with pytest.raises(TrainingError, match=r"norm of the gradient is nan at step 7, .*seed=2/index=12"):
        train(recipe, tmp_path / "run", CPU)
    train(recipe, tmp_path / "run", CPU, resume=True)
    _assert_same_run(tmp_path / "run", whole[0])


def test_a_rate_far_too_high_stops_before_anything_is_saved(tmp_path, micro):
    recipe = micro_recipe(tmp_path, learning_rate="1e30", clip_norm="0")
    with pytest.raises(TrainingError, match=r"step 1, .*synthetic/seed=1/index=2, synthetic/seed=1/index=3"):
        train(recipe, tmp_path / "run", CPU)
    assert not any((tmp_path / "run" / name).exists() for name in FILES)


@pytest.fixture
def ahead(monkeypatch) -> None:
    """What was computed is looked at as seldom as on a GPU."""
    for module in (trainer, training_step):
        monkeypatch.setattr(module, "runs_ahead", lambda device: True)


def _not_finite(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    original = Objective.forward
    calls = itertools.count(1)
    monkeypatch.setattr(
        Objective,
        "forward",
        lambda self, *arguments: original(self, *arguments) * (torch.nan if next(calls) == call else 1.0),
    )


@pytest.mark.parametrize(("every", "interrupted_at"), [("5", 0), ("100", 5)])
def test_what_was_not_looked_at_is_neither_validated_nor_saved(
    tmp_path, micro, monkeypatch, ahead, every, interrupted_at
):
    _not_finite(monkeypatch, 3)
    monkeypatch.setattr(trainer, "validate", lambda *_: pytest.fail("validated"))
    recipe = micro_recipe(tmp_path, every=every, checkpoint_every="100", log_every="100")
    recorder = _InterruptedAt(interrupted_at)
    with pytest.raises(TrainingError, match=r"the loss is nan at step 2, .*seed=1/index=4, synth"):
        train(recipe, tmp_path / "run", CPU, progress=recorder)
    assert recorder.figures == [{}] * 5
    assert not any((tmp_path / "run" / name).exists() for name in FILES)


def test_a_run_that_looks_late_goes_on_from_its_last_checkpoint(tmp_path, micro, monkeypatch, ahead):
    recipe = micro_recipe(tmp_path, log_every="4")
    recorder = Recorder()
    train(recipe, tmp_path / "whole", CPU, progress=recorder)
    told = {step: figures for step, figures in enumerate(recorder.figures, 1) if figures}
    assert list(told) == [4, 8]
    losses = _curves(tmp_path / "whole/tensorboard").Scalars("training/loss")
    assert {event.step: event.value for event in losses} == pytest.approx(
        {step: figures["loss"] for step, figures in told.items()}
    )
    with monkeypatch.context() as patched:
        _not_finite(patched, 8)
        with pytest.raises(TrainingError, match="the loss is nan at step 7, rank 0"):
            train(recipe, tmp_path / "run", CPU)
    train(recipe, tmp_path / "run", CPU, resume=True)
    _assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_flow_unknown_everywhere_is_no_loss(tmp_path, recipe, monkeypatch):
    _changed_batch(monkeypatch, 5, lambda batch: batch.flow.fill_(torch.nan))
    recorder = Recorder()
    train(recipe, tmp_path / "run", CPU, progress=recorder)
    assert recorder.figures[5]["loss"] == 0


# Where a run may begin.


def test_init_from_starts_a_new_run_from_the_weights(tmp_path, micro, weights):
    # A rate that changes nothing to speak of.
    recipe = micro_recipe(tmp_path, learning_rate="1e-30", weight_decay="0")
    recorder = Recorder()
    result = train(recipe, tmp_path / "run", CPU, init_from=weights, progress=recorder)
    assert result.step == 10
    assert len(recorder.figures) == 10
    trained, given = load_file(tmp_path / "run/last.safetensors"), load_file(weights)
    for name, _ in FlowModel(FlowModelConfig(micro)).named_parameters():
        torch.testing.assert_close(trained[name], given[name], atol=1e-20, rtol=0)


def test_the_start_is_measured_and_is_the_best_until_it_is_beaten(tmp_path, recipe, weights, monkeypatch):
    models = _with_errors(monkeypatch, 2.0, 3.0, 2.0, 2.5, 4.0)
    recorder = Recorder()
    result = train(recipe, tmp_path / "run", CPU, init_from=weights, progress=recorder)
    assert (result.start_epe, result.best_epe, result.start_is_best) == (2.0, 2.0, True)
    assert recorder.notes[3] == "step 0: validation EPE 2.000 px (the start)"
    assert not any("best" in note for note in recorder.notes)
    assert_equal(models[0], load_file(weights))
    assert_equal(load_file(tmp_path / "run/best.safetensors"), load_file(weights))
    assert_equal(load_file(tmp_path / "run/last.safetensors"), models[4])
    curve = _curves(tmp_path / "run/tensorboard").Scalars("validation/epe")
    assert [(event.step, event.value) for event in curve][:2] == [(0, 2.0), (3, 3.0)]

    models = _with_errors(monkeypatch, 2.0, 3.0, 1.5, 1.75, 4.0)
    result = train(recipe, tmp_path / "beaten", CPU, init_from=weights)
    assert (result.start_epe, result.best_epe, result.start_is_best) == (2.0, 1.5, False)
    assert_equal(load_file(tmp_path / "beaten/best.safetensors"), models[2])


def test_a_run_from_weights_resumes_from_its_very_start(tmp_path, recipe, weights, monkeypatch):
    """Killed right after the first checkpoint, or stopped while the start is measured: never from random."""

    def save_and_copy(path: Path, *arguments: Any) -> None:
        save_checkpoint(path, *arguments)
        if arguments[0].step == 0:
            shutil.copytree(path.parent, tmp_path / "killed")

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "save_checkpoint", save_and_copy)
        whole = train(recipe, tmp_path / "run", CPU, init_from=weights)
    assert whole.start_epe is not None

    def interrupted(*arguments: Any) -> Validation:
        signal.raise_signal(signal.SIGINT)
        return validate(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "validate", interrupted)
        stopped = train(recipe, tmp_path / "stopped", CPU, init_from=weights)
    assert (stopped.step, stopped.finished, stopped.start_epe) == (0, False, whole.start_epe)

    for name in ("killed", "stopped"):
        assert_equal(load_file(tmp_path / name / "last.safetensors"), load_file(weights))
        again = train(recipe, tmp_path / name, CPU, resume=True)
        assert (again.start_epe, again.best_epe) == (whole.start_epe, whole.best_epe)
        _assert_same_run(tmp_path / name, tmp_path / "run")


def test_init_from_does_not_read_the_recipe_s_backbone(tmp_path, weights):
    recipe = micro_recipe(tmp_path, train_backbone='false\nbackbone_weights = "nowhere.safetensors"')
    assert train(recipe, tmp_path / "run", CPU, init_from=weights).finished


def test_init_from_another_backbone_is_refused(tmp_path, recipe):
    save_model(FlowModel(FlowModelConfig("nano")), tmp_path / "nano.safetensors")
    with pytest.raises(TrainingError, match=r"nano\.safetensors is a nano model and the recipe trains micro"):
        train(recipe, tmp_path / "run", CPU, init_from=tmp_path / "nano.safetensors")


def test_init_from_a_checkpoint_is_refused(tmp_path, recipe, whole):
    with pytest.raises(ModelError, match=r"checkpoint of a training run, not a model: give best\.safet"):
        train(recipe, tmp_path / "other", CPU, init_from=whole[0] / "checkpoint.safetensors")


def test_an_existing_run_is_not_overwritten(recipe, weights, whole):
    before = {name: (whole[0] / name).read_bytes() for name in FILES}
    for init_from in (None, weights):
        with pytest.raises(TrainingError, match=r"run holds a training run already: pass --resume"):
            train(recipe, whole[0], CPU, init_from=init_from)
    assert {name: (whole[0] / name).read_bytes() for name in FILES} == before


@pytest.mark.parametrize(
    ("arguments", "process", "message"),
    [
        ({"resume": True, "init_from": Path("x")}, CPU, "--resume .* and --init-from .*: pass one of them"),
        ({}, Process(0, 3, torch.device("cpu")), "batch_size 2 of stage 0 .* 3 processes: choose a multiple"),
    ],
)
def test_what_cannot_begin_leaves_nothing(tmp_path, recipe, arguments, process, message):
    with pytest.raises(TrainingError, match=message):
        train(recipe, tmp_path / "run", process, **arguments)
    assert not (tmp_path / "run").exists()


def test_processes_that_see_different_folders_are_refused(tmp_path, recipe, monkeypatch):
    monkeypatch.setattr(trainer, "gather_objects", lambda step: [step, 4])
    with pytest.raises(TrainingError, match=r"different steps \[0, 4\]: --output .*run must be one folder"):
        train(recipe, tmp_path / "run", CPU)


# Interrupted and resumed.


class _InterruptedAt(Recorder):
    """Ctrl-C while a step is reported."""

    def __init__(self, *steps: int) -> None:
        super().__init__()
        self.steps = steps

    def advance(self, amount: float = 1.0, **figures: float) -> None:
        super().advance(amount, **figures)
        if len(self.figures) in self.steps:
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_stops_after_the_step_and_resuming_equals_going_on(tmp_path, recipe, whole):
    handler = signal.getsignal(signal.SIGINT)
    result = train(recipe, tmp_path / "run", CPU, progress=_InterruptedAt(5))
    assert (result.step, result.finished) == (5, False)
    assert signal.getsignal(signal.SIGINT) is handler
    # The model of this step, though the last validation was at step 3.
    last, checkpoint = (tmp_path / "run" / name for name in ("last.safetensors", "checkpoint.safetensors"))
    assert_equal(load_file(last), _part(checkpoint, "average."))
    recorder = Recorder()
    result = train(recipe, tmp_path / "run", CPU, resume=True, progress=recorder)
    assert (result.step, result.finished) == (10, True)
    assert len(recorder.figures) == 5
    assert "at step 5 of 10" in recorder.notes[3]
    _assert_same_run(tmp_path / "run", whole[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_during_validation_saves_that_step(number, tmp_path, micro, monkeypatch):
    handler = signal.getsignal(signal.SIGTERM)
    recipe = micro_recipe(tmp_path, checkpoint_every="100")

    def interrupted(*arguments: Any) -> Validation:
        assert signal.getsignal(number) not in (signal.SIG_DFL, signal.default_int_handler)
        signal.raise_signal(number)
        return validate(*arguments)

    monkeypatch.setattr(trainer, "validate", interrupted)
    result = train(recipe, tmp_path / "run", CPU)
    assert (result.step, result.finished) == (3, False)
    assert (tmp_path / "run/checkpoint.safetensors").exists()
    assert signal.getsignal(signal.SIGTERM) is handler


def test_a_second_ctrl_c_stops_at_once(tmp_path, recipe, monkeypatch, at_a_terminal):
    def slow(*_: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on")

    monkeypatch.setattr(trainer, "save_checkpoint", slow)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "run", CPU, progress=_InterruptedAt(1))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_resuming_a_finished_run_does_nothing(tmp_path, recipe, whole):
    shutil.copytree(whole[0], tmp_path / "run")
    recorder = Recorder()
    again = train(recipe, tmp_path / "run", CPU, resume=True, progress=recorder)
    assert (again.step, again.best_epe, again.finished) == (10, whole[2].best_epe, True)
    assert not recorder.figures
    _assert_same_run(tmp_path / "run", whole[0])


def test_resuming_with_another_recipe_is_refused(tmp_path, recipe, micro):
    train(recipe, tmp_path / "run", CPU, progress=_InterruptedAt(3))
    with pytest.raises(TrainingError, match=r"another recipe \(optimizer differ\)"):
        train(micro_recipe(tmp_path, learning_rate="1e-4"), tmp_path / "run", CPU, resume=True)


def test_resuming_a_damaged_checkpoint_does_not_start_anew(tmp_path, recipe):
    train(recipe, tmp_path / "run", CPU, progress=_InterruptedAt(3))
    checkpoint = tmp_path / "run/checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(DinoFlowError, match=r"checkpoint\.safetensors is damaged"):
        train(recipe, tmp_path / "run", CPU, resume=True)
    assert checkpoint.stat().st_size == 1000


# Curves.


def _curves(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def _steps(curves: Any, tag: str) -> list[int]:
    return [event.step for event in curves.Scalars(tag)]


def test_tensorboard_holds_curves_and_a_picture(whole):
    folder, recorder, result = whole
    curves = _curves(folder / "tensorboard")
    losses = curves.Scalars("training/loss")
    assert [event.step for event in losses] == list(range(1, 11))
    assert [event.value for event in losses] == pytest.approx([f["loss"] for f in recorder.figures])
    assert _steps(curves, "training/lr") == list(range(1, 11))
    errors = curves.Scalars("validation/epe")
    assert [event.step for event in errors] == [3, 6, 9, 10]
    assert min(event.value for event in errors) == pytest.approx(result.best_epe)
    assert {f"validation/synthetic scenes/{name}" for name in ("epe", "px1", "px3", "fl_all")} <= set(
        curves.Tags()["scalars"]
    )
    pictures = curves.Images("validation/frame_prediction_truth")
    assert [picture.step for picture in pictures] == [3, 6, 9, 10]
    pixels = cv2.imdecode(np.frombuffer(pictures[0].encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape == (32, 3 * 32, 3)


def test_a_killed_and_resumed_run_has_every_point_once(tmp_path, recipe, whole, monkeypatch):
    """What is on disk right after a checkpoint is what a run killed there leaves."""

    def save_and_copy(path: Path, *arguments: Any) -> None:
        save_checkpoint(path, *arguments)
        shutil.copytree(path.parent, tmp_path / f"killed at {arguments[0].step}")

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "save_checkpoint", save_and_copy)
        train(recipe, tmp_path / "run", CPU, progress=_InterruptedAt(7))
    killed = tmp_path / "killed at 6"
    train(recipe, killed, CPU, resume=True)
    _assert_same_run(killed, whole[0])
    resumed, uninterrupted = _curves(killed / "tensorboard"), _curves(whole[0] / "tensorboard")
    for tag in ("training/loss", "validation/epe"):
        points = [
            [(event.step, event.value) for event in curves.Scalars(tag)]
            for curves in (resumed, uninterrupted)
        ]
        assert points[0] == points[1]
