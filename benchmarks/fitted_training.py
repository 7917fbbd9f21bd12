"""Training by a recipe, its number of steps fitted to the minutes that there are.

First the real training is run with a few steps of each stage, and timed: the second half of a stage's steps,
the start of its loaders, one validation. Then every stage is lengthened or shortened alike, the warm-up with
them, so that all of it takes the minutes that are left, and `dinoflow-deploy train` runs that recipe, which
is kept beside the model. There are eight validations; the best model so far is copied to --model after each,
and where training ends before the first, the model of its checkpoint. With as many loaders as there are
cores but one, which changes nothing that is learned.

Run: python benchmarks/fitted_training.py --recipe nano --minutes 6 --model best.safetensors
"""

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from safetensors import safe_open

from dinoflow_deploy.atomic import atomic_file
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.progress import NoProgress
from dinoflow_deploy.train.data_folder import DataFolder
from dinoflow_deploy.train.distributed import Process, choose_device
from dinoflow_deploy.train.model import FlowModel, save_model
from dinoflow_deploy.train.model.model_file import CHECKPOINT_KEY
from dinoflow_deploy.train.opened_recipe import open_recipe
from dinoflow_deploy.train.recipe import Recipe, load_recipe
from dinoflow_deploy.train.run_folder import RunFolder
from dinoflow_deploy.train.trainer import train
from recording import Found, Record, argument_parser, print_table

VALIDATIONS: Final = 8
MARGIN: Final = 0.92
"""Of the time that is left, what is planned: rates vary."""
SECONDS_TO_STOP: Final = 20.0
"""For the step in hand and its checkpoint."""


def main() -> None:
    arguments = parse_arguments()
    began = time.monotonic()
    recipe = replace(load_recipe(arguments.recipe), workers=arguments.workers)
    builtin = builtin_models().get(arguments.init_from or "")
    start = builtin.weights if builtin else arguments.init_from and Path(arguments.init_from)
    with Record(arguments, show, figures) as record, tempfile.TemporaryDirectory() as folder:
        with record.attempt("fitting the recipe", {}):
            rates = measure(recipe, Path(folder) / "rates", arguments, start)
            record.results["measured"] = rates
            left = 60 * arguments.minutes - (time.monotonic() - began)
            fitted = fit(recipe, rates, MARGIN * left, arguments.most_steps)
            record.results["steps"] = [stage.steps for stage in fitted.stages]
            text = "\n".join(f"{name} = {toml(value)}" for name, value in fitted.to_dict().items())
            with atomic_file(arguments.recipe_output, overwrite=True) as partial:
                partial.write_text(text + "\n")
        if "steps" in record.results:
            with record.attempt("training", {}):
                run(Path(folder) / "run", arguments, start, record)


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument("--recipe", required=True, help="name or .toml file")
    parser.add_argument("--minutes", type=float, required=True, help="for all of it")
    parser.add_argument("--model", type=Path, required=True, help="where the best model is copied to")
    parser.add_argument("--recipe-output", type=Path, help="where the fitted recipe is written to")
    parser.add_argument("--init-from", help="model to start from, as `train` takes it")
    parser.add_argument("--dataset", help="folder of the data sets, as `train` takes it")
    parser.add_argument("--rate-steps", type=int, default=30, help="of each stage (default: %(default)s)")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--workers", type=int, default=max(1, cores - 1), help="(default: the cores but one)")
    parser.add_argument("--most-steps", type=int, help="however many minutes there are (default: any number)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    arguments = parser.parse_args()
    arguments.recipe_output = arguments.recipe_output or arguments.model.with_suffix(".toml")
    return arguments


class Clock(NoProgress):
    """When each step of a training ended, and its validation."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.end = 0.0

    def start(self, description: str, total: float | None, unit: str) -> None:
        """The loop over steps begins."""
        self.steps.append(time.monotonic())

    def advance(self, amount: float = 1.0, **figures: float) -> None:
        """A step is done."""
        self.steps.append(time.monotonic())

    def finish(self) -> None:
        """So is the validation after the last."""
        self.end = time.monotonic()


def measure(
    recipe: Recipe, folder: Path, arguments: argparse.Namespace, start: Path | None
) -> dict[str, Any]:
    """Seconds of a step and of the start of each stage, and of a validation."""
    count = arguments.rate_steps
    clock = Clock()
    data = DataFolder(arguments.dataset)
    plan = open_recipe(recipe, data)
    process = Process(0, 1, choose_device(arguments.device))
    few = with_steps(recipe, [count] * len(recipe.stages), warmup_steps=0, validations=1)
    # A step ends when the device has done it.
    few = replace(few, log_every=1)
    done = train(few, folder, process, init_from=start, data=data, progress=clock)
    if not done.finished:
        raise KeyboardInterrupt
    first, *ends = clock.steps
    stages = [[first, *ends][number : number + count + 1] for number in range(0, len(ends), count)]
    steps = [(stage[-1] - stage[count // 2]) / (count - count // 2) for stage in stages]
    starts = [
        max(0.0, stage[count // 2] - stage[0] - count // 2 * step)
        for stage, step in zip(stages, steps, strict=True)
    ]
    return {
        "seconds_per_step": steps,
        "seconds_to_start": starts,
        "seconds_per_validation": clock.end - ends[-1],
        "steps_of_the_recipe": [stage.steps for stage in plan.stages],
        "warmup_steps_of_the_recipe": plan.stages[0].rate.warmup_steps,
    }


def fit(recipe: Recipe, rates: dict[str, Any], seconds: float, most_steps: int | None = None) -> Recipe:
    """The recipe, each stage longer or shorter alike, to take that long.

    Args:
        recipe: What to fit.
        rates: Of ``measure``.
        seconds: Of all of it.
        most_steps: Of all stages.

    Raises:
        InputError: That is too short for one step of each stage.
    """
    fixed = sum(rates["seconds_to_start"]) + VALIDATIONS * rates["seconds_per_validation"]
    whole = sum(
        steps * each
        for steps, each in zip(rates["steps_of_the_recipe"], rates["seconds_per_step"], strict=True)
    )
    scale = (seconds - fixed) / whole
    if most_steps:
        scale = min(scale, most_steps / sum(rates["steps_of_the_recipe"]))
    steps = [math.floor(scale * each) for each in rates["steps_of_the_recipe"]]
    if min(steps) < 1:
        least = fixed + sum(rates["seconds_per_step"])
        raise InputError(
            f"{seconds:.0f} s are left, and its stages with a step each and {VALIDATIONS} validations take "
            f"{least:.0f} s: give more --minutes"
        )
    # Never all of a schedule, which the rounding of the steps may make that short.
    warmup_steps = min(math.floor(scale * rates["warmup_steps_of_the_recipe"]), min(steps) - 1)
    return with_steps(recipe, steps, warmup_steps=warmup_steps, validations=VALIDATIONS)


def with_steps(recipe: Recipe, steps: list[int], *, warmup_steps: int, validations: int) -> Recipe:
    """The recipe with other lengths."""
    every = math.ceil(sum(steps) / validations)
    return replace(
        recipe,
        optimizer=replace(recipe.optimizer, warmup_steps=warmup_steps, warmup_epochs=0.0),
        stages=tuple(
            replace(stage, steps=count, epochs=0) for stage, count in zip(recipe.stages, steps, strict=True)
        ),
        validation=replace(recipe.validation, every=every),
        checkpoint_every=every,
    )


def toml(value: Any) -> str:
    """A value of a recipe as TOML has it."""
    if isinstance(value, dict):
        items = (f"{name} = {toml(item)}" for name, item in value.items() if item is not None)
        return f"{{ {', '.join(items)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value)


def run(folder: Path, arguments: argparse.Namespace, start: Path | None, record: Record) -> None:
    """Train, and keep the best model so far."""
    command = [sys.executable, "-m", "dinoflow_deploy", "train", "--recipe", str(arguments.recipe_output)]
    command += ["--output", str(folder), "--device", arguments.device]
    command += ["--init-from", str(start)] if start else []
    command += ["--dataset", arguments.dataset] if arguments.dataset else []
    kept = Kept(RunFolder(folder), arguments.model)
    process = subprocess.Popen(command)
    try:
        while process.poll() is None:
            kept.update(record)
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                continue
    finally:
        stop(process)
        kept.finish(record)
    if process.returncode:
        raise InputError(f"training ended with exit code {process.returncode}: see what it printed")


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a training that is still running: by its own checkpoint, or else at once."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Kept:
    """The copy of the best model."""

    def __init__(self, folder: RunFolder, model: Path) -> None:
        self._folder = folder
        self._model = model
        self._copied = 0

    def update(self, record: Record) -> None:
        """Copy the best model if there is a better one."""
        best = self._folder.best
        if best.exists() and best.stat().st_mtime_ns != self._copied:
            self._copied = best.stat().st_mtime_ns
            with atomic_file(self._model, overwrite=True) as partial:
                shutil.copyfile(best, partial)
            record.results["model"] = "the best of its validations"
            record.save()

    def finish(self, record: Record) -> None:
        """Copy what there is at the end, made of the checkpoint where nothing was validated."""
        self.update(record)
        if not self._folder.checkpoint.exists():
            return
        with safe_open(self._folder.checkpoint, framework="pt") as file:
            metadata = json.loads(file.metadata()[CHECKPOINT_KEY])
            record.results |= {"step": metadata["step"], "best_epe": metadata["best_epe"]}
            if self._copied:
                return
            names = list(file.keys())
            part = "average." if any(name.startswith("average.") for name in names) else "model."
            tensors = {
                name.removeprefix(part): file.get_tensor(name) for name in names if name.startswith(part)
            }
        model = FlowModel(Recipe.from_dict(metadata["recipe"]).model.config)
        model.load_state_dict(tensors)
        save_model(model, self._model)
        record.results["model"] = "that of the last checkpoint, which was not validated"


def show(results: dict[str, Any]) -> None:
    print_table(("training", ""), list(figures(results)))


def figures(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    found: Found = results.get("measured", {})
    if found:
        rates = ", ".join(f"{1 / each:.1f}" for each in found["seconds_per_step"])
        yield "measured", f"{rates} steps/s by stage, {found['seconds_per_validation']:.1f} s a validation"
    if "steps" in results:
        steps, own = results["steps"], found["steps_of_the_recipe"]
        yield (
            "fitted",
            f"{sum(steps)} steps ({', '.join(map(str, steps))}), {sum(steps) / sum(own):.3g} of the recipe's",
        )
    if "step" in results:
        best = results["best_epe"]
        error = "not validated" if best is None else f"best validation EPE {best:.3f} px"
        yield "trained", f"{results['step']} steps, {error}"
    if "model" in results:
        yield "model", results["model"]


if __name__ == "__main__":
    main()
